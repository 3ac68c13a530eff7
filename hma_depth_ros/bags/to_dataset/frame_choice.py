"""Which images of a recording are worth keeping: one for so many metres, or for a new view.

Not one for so many seconds: a car that waits at a light would give a hundred times the same frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.scoring.depth_truth import Match
from hma_depth_ros.bags.to_dataset.road_recording import Drive, RoadRecording
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.pictures import rgb_image

#: Of the small picture that views are told apart by.
_WIDTH, _HEIGHT = 48, 27
#: 1 - correlation of two of them from which on the view is a new one. Measured: a camera's noise
#: makes 0.0001, a metre of road 0.006 to 0.2 (KITTI's drive 0001: 0.02 to 0.05).
NEW_VIEW = 0.03

#: Of the spacing: what a car at constant speed goes is a hair less now and then.
_NEARLY = 0.98

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChosenFrame:
    """An image that becomes a frame of the data set."""

    match: Match
    drive: int  #: number, from 0, in its bag
    way: float  #: metres since the beginning of the drive; estimated where nothing tells it
    place: tuple[float, float, float] | None  #: metres, in the odometry's frame


def choose_frames(
    recording: RoadRecording, spacing: float, *, progress: Callable[[int], object]
) -> list[ChosenFrame]:
    """Frames of all drives, in order.

    Args:
        recording: open.
        spacing: metres between frames, where transforms tell how the car moved; elsewhere each new
            view counts as so many.
        progress: called with the number of images looked at, now and then.

    Raises:
        HmaDepthError: the storage is damaged.

    """
    by_way = recording.knows_motion
    chosen = []
    for number, drive in enumerate(recording.drives):
        pick = _by_distance if by_way else _by_appearance
        chosen += list(pick(recording, drive, number, spacing, progress))
    return chosen


def _by_distance(
    recording: RoadRecording,
    drive: Drive,
    number: int,
    spacing: float,
    progress: Callable[[int], object],
) -> Iterator[ChosenFrame]:
    transforms, frame = recording.place.transforms, recording.place.lidar
    way, last = 0.0, None
    for match in drive.matches:
        progress(1)
        pose = transforms.place(frame, match.stamp)
        if pose is None:
            continue  # before the first or after the last transform
        here = pose[:3, 3]
        step = spacing if last is None else float(np.linalg.norm(here - last))
        if step < spacing * _NEARLY:
            continue
        way, last = way + (0.0 if last is None else step), here
        yield ChosenFrame(match, number, way, (float(here[0]), float(here[1]), float(here[2])))


def _by_appearance(
    recording: RoadRecording,
    drive: Drive,
    number: int,
    spacing: float,
    progress: Callable[[int], object],
) -> Iterator[ChosenFrame]:
    last: Floats | None = None
    way = 0.0
    for match in drive.matches:
        progress(1)
        try:
            view = small_view(rgb_image(recording.images.read(match.depth)))
        except HmaDepthError:
            continue  # a damaged image is no frame
        if last is not None and difference(last, view) < NEW_VIEW:
            continue
        way += 0.0 if last is None else spacing
        last = view
        yield ChosenFrame(match, number, way, None)


def small_view(image: npt.NDArray[np.uint8]) -> Floats:
    """What is compared of an image (H, W, 3): a small grey picture of mean 0 and length 1."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float64)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length else small


def difference(first: Floats, second: Floats) -> float:
    """1 - correlation of two small views: 0 for the same one, however bright."""
    return 1.0 - float((first * second).sum())


def spread(count: int, most: int) -> list[int]:
    """At most so many numbers below `count`, evenly spread."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
