"""When which measure is taken for an engine that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from hma_depth_ros.inference.engines.engine_memory import is_out_of_memory
from hma_depth_ros.inference.engines.renewable_engine import RenewableEngine
from hma_depth_ros.ros.depth_node.engine_recovery import (
    HEALED,
    PATIENCE,
    EngineRecovery,
    Measure,
    described,
)

FAULT = RuntimeError("it is broken\nin many words")
MEMORY = torch.cuda.OutOfMemoryError("CUDA out of memory")


class Taken(list[str]):
    """Measures that were taken, and what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def recovery(self, *helpless: str) -> EngineRecovery:
        """Two measures; those named raise."""

        def take(name: str) -> Callable[[str], None]:
            def measure(_: str) -> None:
                self.append(name)
                if name in helpless:
                    raise ValueError(f"no {name}")

            return measure

        measures = [
            Measure("restart", take("restart")),
            Measure("plain", take("plain"), gives_memory=True),
        ]
        return EngineRecovery(measures, warn=self.said.append)


def fails(recovery: EngineRecovery, times: int, error: Exception = FAULT) -> None:
    for _ in range(times):
        recovery.failed(error, recovery.attempt)


def test_one_measure_after_the_other():
    taken = Taken()
    recovery = taken.recovery()
    fails(recovery, PATIENCE - 1)
    assert taken == []
    fails(recovery, 1)
    assert taken == ["restart"]
    fails(recovery, PATIENCE - 1)
    assert taken == ["restart"]
    fails(recovery, 1)
    assert taken == ["restart", "plain"]
    assert not recovery.given_up
    fails(recovery, PATIENCE)
    assert taken == ["restart", "plain"]
    assert recovery.given_up == (
        f"the network has failed in {PATIENCE} images in a row, the last time with "
        "RuntimeError: it is broken"
    )
    assert taken.said[0] == f"{recovery.given_up}: restart"
    fails(recovery, 1)
    assert f"in {PATIENCE} images in a row" in recovery.given_up, "it stays as it was"


def test_what_began_before_a_measure_is_no_failure_of_its_result():
    taken = Taken()
    recovery = taken.recovery()
    before = recovery.attempt
    fails(recovery, PATIENCE)
    assert recovery.attempt == before + 1
    for _ in range(2 * PATIENCE):  # of another worker, on the engine that is no more
        recovery.failed(FAULT, before)
    assert taken == ["restart"]


def test_an_engine_takes_no_more_threads_than_it_can_have():
    """Also one that takes the place of another which could have more."""
    calls: list[int] = []
    inside, most = threading.Semaphore(0), [0]

    class Counting:
        name, precision, hardware = "torch", "fp32", "a CPU"
        device = torch.device("cpu")

        def __init__(self, side_by_side: int) -> None:
            self.side_by_side = side_by_side

        def __call__(self, *_: object) -> Any:
            calls.append(1)
            most[0] = max(most[0], len(calls))
            inside.acquire(timeout=0.2)
            calls.pop()

    engine = RenewableEngine(Counting(2))  # type: ignore[arg-type]
    for expected in (2, 1):
        most[0] = 0
        threads = [threading.Thread(target=engine, args=(torch.zeros(1),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] == expected == engine.side_by_side
        engine.replace(Counting(1))  # type: ignore[arg-type]


def test_each_thread_that_calls_gives_pytorch_the_threads_that_the_engine_wants():
    """Also one that another thread had replaced the engine under."""
    found: list[int] = []

    class Telling:
        precision, hardware = "fp32", "a CPU"
        device = torch.device("cpu")
        side_by_side = 1

        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, *_: object) -> Any:
            found.append(torch.get_num_threads())

    before = torch.get_num_threads()
    image = torch.zeros(1)
    try:
        engine = RenewableEngine(Telling("openvino"), threads=3)  # type: ignore[arg-type]
        with ThreadPoolExecutor(1) as worker:
            for name in ("torch", "openvino"):
                worker.submit(engine, image).result(10)
                engine.replace(Telling(name))  # type: ignore[arg-type]
                engine(image)
            worker.submit(engine, image).result(10)
    finally:
        torch.set_num_threads(before)
    assert found == [1, 3, 3, 1, 1]


def test_a_good_image_between_bad_ones_starts_the_count_again():
    taken = Taken()
    recovery = taken.recovery()
    for _ in range(5):
        fails(recovery, PATIENCE - 1)
        recovery.works()
    assert taken == []


def test_after_many_good_ones_all_measures_are_there_again():
    taken = Taken()
    recovery = taken.recovery()
    fails(recovery, PATIENCE)
    for _ in range(HEALED - 1):
        recovery.works()
    fails(recovery, 1)
    recovery.works()
    fails(recovery, PATIENCE)
    assert taken == ["restart", "plain"], "too few in a row"
    for _ in range(HEALED):
        recovery.works()
    fails(recovery, PATIENCE)
    assert taken == ["restart", "plain", "restart"]


def test_a_measure_that_fails_is_followed_by_the_next_at_once():
    taken = Taken()
    recovery = taken.recovery("restart", "plain")
    fails(recovery, PATIENCE)
    assert taken == ["restart", "plain"]
    assert recovery.given_up
    assert taken.said[1] == "restart: that has failed, too, with ValueError: no restart"


def test_missing_memory_is_not_waited_for():
    taken = Taken()
    recovery = taken.recovery()
    fails(recovery, 1, MEMORY)
    assert taken == ["plain"]
    fails(recovery, 1, MEMORY)
    assert recovery.given_up == (
        "the network has failed in an image, the last time with "
        "OutOfMemoryError: CUDA out of memory"
    )


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MEMORY, True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("[ONNXRuntimeError] : Failed to allocate memory for requested buffer"), True),
        (RuntimeError("CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("clFlush, error code: -5 CL_OUT_OF_RESOURCES"), True),
        (FAULT, False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_missing_memory_looks_like(error: Exception, is_memory: bool):
    assert is_out_of_memory(error) == is_memory


def test_one_line_of_any_error():
    assert described(FAULT) == "RuntimeError: it is broken"
    assert described(KeyError()) == "KeyError"
