"""Frames of a list as figures of a network are taken on them: image, ground truth and camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class FrameWithTruth:
    """One frame of a list."""

    entry: SplitEntry
    image: npt.NDArray[np.uint8]  #: (H, W, 3), RGB
    truth: npt.NDArray[np.float32]  #: (H, W), metres, 0 unknown
    camera: PinholeCamera


def frames_with_truth(
    entries: Iterable[SplitEntry], *, units_per_metre: float = UNITS_PER_METRE
) -> Iterator[FrameWithTruth]:
    """Read those that have ground truth, one after the other.

    Args:
        entries: with the paths of their files.
        units_per_metre: of the ground truth's PNG.

    Raises:
        HmaDepthError: a file cannot be used, naming it.

    """
    for entry in entries:
        if entry.depth is None:
            continue
        image = read_rgb(entry.image)
        camera = entry_camera(entry, image.shape).camera
        truth = read_ground_truth(entry.depth, units_per_metre=units_per_metre)
        yield FrameWithTruth(entry, image, truth, camera)
