"""From an image in memory to depth, masks and cloud, by stage; and several cameras at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from hma_depth_ros.benchmarks.candidates import start_engines, threads_as_in_the_node
from hma_depth_ros.benchmarks.memory import used_bytes
from hma_depth_ros.benchmarks.timing import Timing, take_turns
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.prediction import Output, OutputArrays
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.network.device import choose_device

#: fx over the image's width, KITTI's.
_FOCAL_LENGTH = 721.5 / 1242


@dataclass(frozen=True)
class PredictorCandidate:
    """What was measured of one engine; seconds a frame."""

    total: Timing
    stages: dict[str, Timing]
    #: By number of cameras: a batch through the network, and one image after the other; of a frame.
    batched: dict[int, Timing]
    one_by_one: dict[int, Timing]
    memory: int  #: bytes that came with the engine and its first frame (`used_bytes`)


@dataclass(frozen=True)
class PredictorReport:
    """What was measured."""

    image_size: tuple[int, int]
    network_size: tuple[int, int]
    outputs: tuple[Output, ...]
    candidates: dict[str, PredictorCandidate]
    left_out: dict[str, str]  #: engines that could not start, and why


def street(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The bundled frame as RGB of (H, W)."""
    return np.asarray(cv2.resize(self_check_image(), size[::-1], interpolation=cv2.INTER_AREA))


def camera_of(size: tuple[int, int]) -> PinholeCamera:
    """A camera like KITTI's for images of (H, W)."""
    height, width = size
    focal = _FOCAL_LENGTH * width
    return PinholeCamera(
        fx=focal,
        fy=focal,
        cx=(width - 1) / 2,
        cy=(height - 1) / 2,
        width=width,
        height=height,
    )


def measure_predictor(
    path: Path,
    image_size: tuple[int, int],
    *,
    engines: Sequence[tuple[str, str]],
    outputs: Sequence[Output],
    cameras: Sequence[int],
    cloud_layout: CloudLayout,
    device: str,
    threads: int,
    rounds: int,
    warn: Callable[[str], object],
) -> PredictorReport:
    """Time `DepthPredictor`, engines in turn.

    Args:
        path: checkpoint or exported file.
        image_size: (H, W) of the camera's image.
        engines: (engine, precision), of those that the node knows.
        outputs: what to compute; it goes into memory that is kept, as in the node.
        cameras: numbers of images that are also put through the network as one batch.
        cloud_layout: of the points.
        device: as the node's parameter.
        threads: of the CPU; 0 leaves it to each runtime.
        rounds: frames of each.
        warn: is told what goes wrong on the way.

    Raises:
        HmaDepthError: checkpoint or device cannot be used, or no engine starts.

    """
    source = ModelSource(path)
    masks = len(source.info.model.reductions) if source.info.model.attention else 0
    out = OutputArrays(
        depth=np.zeros(image_size, np.float32),
        attention=np.zeros((masks, *image_size), np.float32),
        cloud=np.zeros((*image_size, cloud_layout.value), np.float32),
    )
    image, camera = street(image_size), camera_of(image_size)
    left_out: dict[str, str] = {}
    predictors: dict[str, DepthPredictor] = {}
    chosen = torch.device("cpu") if device.startswith("gpu") else choose_device(device)
    memory, before = {}, used_bytes(chosen)
    started = start_engines(
        source, engines, device=device, threads=threads, left_out=left_out, warn=warn
    )
    for name, engine in started:
        predictor = DepthPredictor(engine, source.info, cloud_layout=cloud_layout)
        with threads_as_in_the_node(engine, threads):
            predictor.predict(image, camera, outputs=outputs, out=out)
        predictors[name] = predictor
        now = used_bytes(chosen)
        memory[name], before = now - before, now
    if not predictors:
        raise HmaDepthError("; ".join(left_out.values()) or "no engine to measure")

    stages: dict[str, dict[str, Timing]] = {name: {} for name in predictors}

    def one(name: str) -> None:
        predictor = predictors[name]
        with threads_as_in_the_node(predictor.engine, threads):
            found = predictor.predict(image, camera, outputs=outputs, out=out)
        for stage, seconds in found.seconds.items():
            stages[name].setdefault(stage, Timing()).wall.append(seconds)

    totals = take_turns({name: partial(one, name) for name in predictors}, rounds=rounds)
    batched: dict[str, dict[int, Timing]] = {name: {} for name in predictors}
    one_by_one: dict[str, dict[int, Timing]] = {name: {} for name in predictors}

    def batch(name: str, count: int) -> None:
        predictor = predictors[name]
        with threads_as_in_the_node(predictor.engine, threads):
            predictor.predict_batch([image] * count, [camera] * count, outputs=outputs)

    def singles(name: str, count: int) -> None:
        predictor = predictors[name]
        with threads_as_in_the_node(predictor.engine, threads):
            for _ in range(count):
                predictor.predict(image, camera, outputs=outputs)

    for count in cameras:
        calls: dict[str, Callable[[], object]] = {}
        for name in predictors:
            calls[f"{name}/batch"] = partial(batch, name, count)
            calls[f"{name}/single"] = partial(singles, name, count)
        timings = take_turns(calls, rounds=max(1, rounds // count))
        for name in predictors:
            batched[name][count] = _of_a_frame(timings[f"{name}/batch"], count)
            one_by_one[name][count] = _of_a_frame(timings[f"{name}/single"], count)
    first = next(iter(predictors.values()))
    return PredictorReport(
        image_size=image_size,
        network_size=first.plan(image_size).network_size,
        outputs=tuple(outputs),
        candidates={
            name: PredictorCandidate(
                totals[name],
                # Without the calls before the measurement, which warm up.
                {stage: Timing(t.wall[-rounds:]) for stage, t in stages[name].items()},
                batched[name],
                one_by_one[name],
                memory[name],
            )
            for name in predictors
        },
        left_out=left_out,
    )


def _of_a_frame(timing: Timing, count: int) -> Timing:
    return Timing([t / count for t in timing.wall], [t / count for t in timing.cpu])
