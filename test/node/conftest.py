"""Fixtures of the node's tests: a tiny model and nodes that run it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from rclpy.context import Context

from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.ros import input_watch

from .graph import DEADLINE, Bench, initialised, rgb_message, until

#: Of the checkpoint.
NETWORK_WIDTH, FOCAL_LENGTH = 48, 40.0

StartBench = Callable[..., Bench]


@pytest.fixture(scope="package", autouse=True)
def patient() -> Iterator[None]:
    """A busy machine's silence between two images is no problem of a camera's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(input_watch, "SILENCE_SECONDS", 1e9)
        yield


@pytest.fixture(scope="session")
def context() -> Iterator[Context]:
    """rclpy, apart from the default context that other tests may start and shut down."""
    with initialised() as context:
        yield context


@pytest.fixture(scope="session")
def checkpoint(tiny_checkpoint: Path) -> Path:
    """What the nodes run."""
    return tiny_checkpoint


@pytest.fixture(scope="session")
def predictor(checkpoint: Path) -> DepthPredictor:
    """What the node should agree with."""
    return DepthPredictor.from_checkpoint(checkpoint, device="cpu")


def _bench_factory(stack: ExitStack, context: Context, checkpoint: Path) -> StartBench:
    def start(
        *, arguments: tuple[str, ...] = (), inputs: dict[str, bool] | None = None, **values: Any
    ) -> Bench:
        parameters = {
            "checkpoint": str(checkpoint),
            "device": "cpu",
            "engine": "torch",  # the reference; test_engines.py has the others
            "precision": "fp32",
            "diagnostics_period": 0.05,
            "stale_after": 0.0,  # tests publish single images; test_degraded_modes.py has it
            **values,
        }
        bench = Bench(context, parameters, arguments=arguments, **(inputs or {}))
        stack.callback(bench.close)
        return bench

    return start


@pytest.fixture
def start(context: Context, checkpoint: Path) -> Iterator[StartBench]:
    """Start a node with these parameters, for one test."""
    with ExitStack() as stack:
        yield _bench_factory(stack, context, checkpoint)


@pytest.fixture(scope="module")
def start_shared(context: Context, checkpoint: Path) -> Iterator[StartBench]:
    """Start a node that all tests of a file share."""
    with ExitStack() as stack:
        yield _bench_factory(stack, context, checkpoint)


class Predictions:
    """What the nodes ask their predictors for; can hold them back."""

    def __init__(self) -> None:
        self.outputs: list[frozenset[str]] = []  #: of each call
        self.threads: list[int] = []  #: of PyTorch, in each call
        self._gate = threading.Event()
        self._gate.set()

    def hold(self) -> None:
        """Let every call wait at its beginning."""
        self._gate.clear()

    def hold_first_of_two(self, bench: Bench) -> None:
        """Publish two images: the first is held back at the network, the second waits for it."""
        self.hold()
        bench.publish(rgb_message(1))
        until(lambda: self.outputs, "the first frame at the network")
        bench.publish(rgb_message(2))
        until(lambda: bench.camera.statistics.arrived == 2, "the second frame at the node")

    def release(self) -> None:
        """Let them go on."""
        self._gate.set()

    def release_once_it_stops(self, bench: Bench) -> None:
        """Let them go on as soon as the node waits for its worker."""

        def look() -> None:
            if all(camera.input is None for camera in bench.node.cameras):
                self.release()  # on_deactivate unsubscribes first

        bench.tester.create_timer(0.02, look)

    def record(self, outputs: Collection[str]) -> None:
        """Note a call, and wait if told to."""
        self.outputs.append(frozenset(outputs))
        self.threads.append(torch.get_num_threads())
        assert self._gate.wait(DEADLINE)


@pytest.fixture
def predictions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Predictions]:
    """Watch `DepthPredictor.predict`."""
    watched = Predictions()
    predict = DepthPredictor.predict

    def recording(self: DepthPredictor, *args: Any, **kwargs: Any) -> Prediction:
        watched.record(kwargs["outputs"])
        return predict(self, *args, **kwargs)

    monkeypatch.setattr(DepthPredictor, "predict", recording)
    yield watched
    watched.release()
