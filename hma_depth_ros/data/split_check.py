"""Everything that can be wrong with the files of a list, found before a run of hours starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.kitti_calibration import CAMERAS_FILE, calibration_folder, read_cameras
from hma_depth_ros.data.kitti_frames import intrinsics_of, read_intrinsics
from hma_depth_ros.data.known_splits import EIGEN_TEST_DRIVES
from hma_depth_ros.data.layout import KITTI, Layout
from hma_depth_ros.data.located_split import LocatedEntry, locate
from hma_depth_ros.data.split import SplitEntry
from hma_depth_ros.errors import HmaDepthError

MISSING_IMAGE = "missing image"
MISSING_TRUTH = "missing ground truth"
UNREADABLE = "unreadable"
SIZE = "image and ground truth of different size"
NO_PIXEL = "ground truth without a single pixel"
FOCAL_LENGTH = "focal length of another camera"
UNLABELLED = "None as ground truth in a training list"
TEST_SCENE = "test scene in a training list"
TWICE = "frame listed twice"

#: Relative. KITTI's days differ by 7e-4 at least, lists have four decimals.
_FOCAL_TOLERANCE = 1e-4


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
        expected = _calibrated(located.found.image, width)
    except HmaDepthError as error:
        return CheckedFrame(located, [*problems, Problem(UNREADABLE, str(error))])
    if expected is None:
        return CheckedFrame(located, problems, lacks_calibration=True)
    focal_length, tolerance = expected
    if abs(entry.focal_length / focal_length - 1) > tolerance:
        detail = f"{entry.image}: {entry.focal_length:g} listed, {focal_length:.4f} by calibration"
        problems.append(Problem(FOCAL_LENGTH, detail))
    return CheckedFrame(located, problems)


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


def _calibrated(image: Path, width: int) -> tuple[float, float] | None:
    """Focal length in pixels of a stored image by its calibration file, and the relative tolerance.

    None where there is no such file.
    """
    if image.parent.name == "image" and intrinsics_of(image).is_file():
        return read_intrinsics(intrinsics_of(image)), _FOCAL_TOLERANCE
    # DAY/DRIVE/image_02/data/FRAME.png
    if len(image.parts) < 5 or not image.parts[-3].startswith("image_0"):
        return None
    path = calibration_folder(image.parents[2]) / CAMERAS_FILE
    if not path.is_file():
        return None
    focal_lengths = _focal_lengths(path)
    camera = int(image.parts[-3][-1])
    if camera not in focal_lengths:
        raise HmaDepthError(f"{path} has no camera {camera}, of which {image} is")
    focal_length, official_width = focal_lengths[camera]
    # A resized image's width was rounded to a pixel.
    rounding = 0.0 if width == official_width else 0.5 / width
    return focal_length * width / official_width, _FOCAL_TOLERANCE + rounding


@lru_cache(maxsize=32)
def _focal_lengths(path: Path) -> dict[int, tuple[float, int]]:
    """Focal length and image width by camera, in pixels."""
    cameras = {number: camera.rectified for number, camera in read_cameras(path).items()}
    return {number: (camera.fx, camera.width) for number, camera in cameras.items()}
