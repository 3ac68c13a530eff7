"""How fast frames are fed to training and stored predictions are scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from hma_depth_ros.benchmarks.measured import Measured, consume
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.depth.stored_depth import write_stored_depth
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import StoredPredictions
from hma_depth_ros.evaluation.protocols import PROTOCOLS
from hma_depth_ros.evaluation.score_frames import Settings, evaluate
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive
from hma_depth_ros.training.samples.augmentation import Augmentation
from hma_depth_ros.training.samples.dataset import CropDataset, CropSettings
from hma_depth_ros.training.samples.loading import BatchLoader
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler

BATCH_SIZE = 16
_RENDERED = 4
#: Share of pixels that KITTI's annotated depth knows.
_ANNOTATED = 0.16


@dataclass(frozen=True)
class LoaderReport:
    """What was measured."""

    crops: Measured
    pairs: Measured
    #: Milliseconds of a sample by stage, in one process, median.
    stages: dict[str, float]


def measure_loader(
    entries: Sequence[SplitEntry], folder: Path, *, workers: int, seconds: float
) -> LoaderReport:
    """Measure training samples of BTS's recipe on KITTI, and scoring of 16-bit PNG by `bts`.

    Args:
        entries: labelled frames; they are gone through again and again.
        folder: for the predictions to be scored: the ground truth, made dense and noisy.
        workers: processes of the loader, and threads of the evaluation.
        seconds: for each measurement.

    Raises:
        HmaDepthError: there is no labelled frame, or a file cannot be used.

    """
    labelled = [entry for entry in entries if entry.depth is not None]
    if not labelled:
        raise HmaDepthError("there is no frame with ground truth to measure with")
    enough = list(labelled) * -(-8 * BATCH_SIZE // len(labelled))
    dataset = CropDataset(enough, CropSettings(), Augmentation(colour=1.0), seed=0)
    # One after the other: each wants all the cores.
    crops = consume(_batches(dataset, workers), seconds=seconds)
    frames = _write_predictions(labelled, folder)
    pairs = consume(_scores(frames, folder, workers), seconds=seconds)
    return LoaderReport(crops, pairs, _stages(dataset, labelled))


def render_frames(folder: Path, camera: PinholeCamera = KITTI_CAMERA) -> list[SplitEntry]:
    """Frames of a synthetic drive, with depth as sparse as KITTI's."""
    drive = SyntheticDrive(seed=0, frames=_RENDERED * 10, camera=camera, sampling=1)
    random = np.random.default_rng(0)
    entries = []
    for number in range(_RENDERED):
        frame = drive.frame(number * 10)
        image, depth = folder / f"{number}.png", folder / f"{number}_depth.png"
        write_png(image, frame.image)
        known = random.random(frame.depth.shape) < _ANNOTATED / np.mean(frame.depth < np.inf)
        write_depth_png(depth, np.where(known, frame.depth, 0))
        entries.append(SplitEntry(image, depth, drive.camera.fx))
    return entries


def _batches(dataset: CropDataset, workers: int) -> Iterator[int]:
    sampler = GlobalBatchSampler(len(dataset), batch_size=BATCH_SIZE, seed=0)
    loader = BatchLoader(dataset, sampler, workers=workers)
    epoch = 0
    while True:
        sampler.set_position(epoch)
        for batch in loader:
            yield len(batch["image"])
        epoch += 1


def _write_predictions(entries: Sequence[SplitEntry], folder: Path) -> list[EvaluatedFrame]:
    """Predictions of the whole image, beside which the ground truth is scored."""
    random = np.random.default_rng(0)
    frames = []
    for number, entry in enumerate(entries[:_RENDERED]):
        assert entry.depth is not None
        truth = read_ground_truth(entry.depth)
        dense = cv2.dilate(truth, np.ones((31, 31), np.uint8))
        dense = np.where(dense > 0, dense, 80).astype(np.float32)
        noise = random.normal(1, 0.05, dense.shape).astype(np.float32)
        write_stored_depth(folder / f"{number:010}.png", cv2.GaussianBlur(dense * noise, (0, 0), 2))
        frames.append(EvaluatedFrame(f"{number:010}", entry.depth))
    return frames


def _scores(frames: Sequence[EvaluatedFrame], folder: Path, workers: int) -> Iterator[int]:
    source = StoredPredictions(folder, KITTI)
    settings = Settings([PROTOCOLS["bts"]], (80.0, 50.0), KITTI.layout.units_per_metre)
    while True:
        for _ in evaluate(list(frames) * 8, source, settings, workers=workers):
            yield 1


def _stages(dataset: CropDataset, entries: Sequence[SplitEntry]) -> dict[str, float]:
    times: dict[str, list[float]] = {"decode image": [], "decode depth": [], "crop": []}
    random = np.random.default_rng(0)
    for repetition in range(32):
        entry = entries[repetition % len(entries)]
        depth = entry.depth
        assert depth is not None
        times["decode image"].append(_milliseconds(partial(read_rgb, entry.image)))
        times["decode depth"].append(_milliseconds(partial(read_ground_truth, depth)))
        crop = partial(dataset.crop, entry, dataset.read(entry), random)
        times["crop"].append(_milliseconds(crop))
    return {name: float(np.median(values)) for name, values in times.items()}


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)
