"""Everything that can be wrong with the files of a list, found before a run of hours starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.dataset_layout import KITTI, Layout
from hma_depth_ros.data.splits.entry_camera import (
    Calibrated,
    CameraSource,
    calibrated,
    entry_camera,
)
from hma_depth_ros.data.splits.known_splits import EIGEN_TEST_DRIVES
from hma_depth_ros.data.splits.located_split import LocatedEntry, locate
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera

MISSING_IMAGE = "missing image"
MISSING_TRUTH = "missing ground truth"
UNREADABLE = "unreadable"
SIZE = "image and ground truth of different size"
NO_PIXEL = "ground truth without a single pixel"
FOCAL_LENGTH = "focal length of another camera"
UNLABELLED = "None as ground truth in a training list"
TEST_SCENE = "test scene in a training list"
TWICE = "frame listed twice"
PRINCIPAL_POINT = "fy or principal point of another camera"
OUTSIDE = "principal point outside of the image"

#: That a list's principal point may be off; KITTI's days differ by more.
_PIXELS = 1.0


@dataclass(frozen=True)
class Problem:
    """What is wrong with a frame."""

    kind: str
    detail: str


@dataclass(frozen=True)
class CheckedFrame:
    """One frame of a list after the check."""

    located: LocatedEntry
    problems: list[Problem]
    #: Whether there is no calibration to compare the list's focal length with.
    lacks_calibration: bool = False
    #: Of the principal point; None: the image could not be read.
    camera_source: CameraSource | None = None


def check_split(
    entries: Sequence[SplitEntry],
    root: Path,
    *,
    training: bool,
    allow_test_scenes: bool = False,
    layout: Layout = KITTI,
    workers: int = 2,
) -> Iterator[CheckedFrame]:
    """Check frame by frame, in order, decoding every file.

    Args:
        entries: with paths as in the list.
        root: folder that the data set was unpacked into.
        training: whether the list is to be trained on, where all must be labelled.
        allow_test_scenes: whether it may then hold drives of Eigen's test list.
        layout: of the data set.
        workers: threads; decoding lets others run meanwhile.

    """
    names = Counter(layout.frame_name(entry.image) for entry in entries)

    def check(entry: SplitEntry) -> CheckedFrame:
        frame = _check_files(root, entry, layout)
        listed = _listed_problems(entry, training=training, allow_test_scenes=allow_test_scenes)
        # Predictions to score go by name; a training list may weigh a frame twice.
        if not training and names[layout.frame_name(entry.image)] > 1:
            listed.append(Problem(TWICE, str(entry.image)))
        return replace(frame, problems=listed + frame.problems)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(check, entries)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _listed_problems(
    entry: SplitEntry, *, training: bool, allow_test_scenes: bool
) -> list[Problem]:
    """What the list alone tells."""
    problems = []
    if training and entry.depth is None:
        problems.append(Problem(UNLABELLED, str(entry.image)))
    if training and not allow_test_scenes and kitti_drive_name(entry.image) in EIGEN_TEST_DRIVES:
        problems.append(Problem(TEST_SCENE, str(entry.image)))
    return problems


def _check_files(root: Path, entry: SplitEntry, layout: Layout) -> CheckedFrame:
    located = locate(root, entry, layout)
    problems = []
    if located.found is None:
        problems.append(Problem(MISSING_IMAGE, str(entry.image)))
    if located.lacks_depth:
        problems.append(Problem(MISSING_TRUTH, str(entry.depth)))
    if located.found is None:
        return CheckedFrame(located, problems)
    try:
        image = read_rgb(located.found.image)
    except HmaDepthError as error:
        return CheckedFrame(located, [*problems, Problem(UNREADABLE, str(error))])
    height, width = image.shape[:2]
    problems += _check_truth(located.found, (height, width), layout)
    try:
        known = calibrated(located.found.image, (height, width))
        camera = entry_camera(located.found, (height, width))
    except HmaDepthError as error:
        return CheckedFrame(located, [*problems, Problem(UNREADABLE, str(error))])
    problems += _check_camera(entry, camera.camera, known)
    return CheckedFrame(located, problems, known is None, camera.source)


def _check_camera(
    entry: SplitEntry, camera: PinholeCamera, known: Calibrated | None
) -> list[Problem]:
    """Compare what the list says of the camera with its calibration, and with the image's size."""
    problems = []
    if known is not None and not known.agrees(entry.focal_length):
        by = f"{known.camera.fx:.4f} by calibration"
        detail = f"{entry.image}: {entry.focal_length:g} listed, {by}"
        problems.append(Problem(FOCAL_LENGTH, detail))
    if entry.intrinsics is None:
        return problems
    listed = f"fy={camera.fy:g}, cx={camera.cx:g}, cy={camera.cy:g} listed"
    if not (0 <= camera.cx < camera.width and 0 <= camera.cy < camera.height):
        detail = f"{entry.image}: {listed}, the image is {camera.width}x{camera.height}"
        problems.append(Problem(OUTSIDE, detail))
    elif known is not None:
        official = known.camera
        near = abs(camera.cx - official.cx) <= _PIXELS and abs(camera.cy - official.cy) <= _PIXELS
        # fy of a resized image follows from its rows, which were rounded; lists may have fx.
        if not near or abs(camera.fy / official.fy - 1) > 1 / official.height:
            by = f"fy={official.fy:.4f}, cx={official.cx:.4f}, cy={official.cy:.4f} by calibration"
            problems.append(Problem(PRINCIPAL_POINT, f"{entry.image}: {listed}, {by}"))
    return problems


def _check_truth(entry: SplitEntry, size: tuple[int, int], layout: Layout) -> list[Problem]:
    if entry.depth is None:
        return []
    try:
        depth = read_ground_truth(entry.depth, units_per_metre=layout.units_per_metre)
    except HmaDepthError as error:
        return [Problem(UNREADABLE, str(error))]
    if depth.shape != size:
        sizes = f"{depth.shape[1]}x{depth.shape[0]}, its image {size[1]}x{size[0]}"
        return [Problem(SIZE, f"{entry.depth} is {sizes}")]
    return [] if np.any(depth > 0) else [Problem(NO_PIXEL, str(entry.depth))]
