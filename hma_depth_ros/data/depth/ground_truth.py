"""Ground truth of a frame, wherever it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE, read_depth_png
from hma_depth_ros.data.depth.lidar_depth import LidarScan

#: A depth image, or a scan that is projected when it is read.
GroundTruth: TypeAlias = Path | LidarScan
#: `annotated`: what a list names; `lidar`: the scan taken with the image.
Source = Literal["annotated", "lidar"]
SOURCES: tuple[Source, ...] = ("annotated", "lidar")


class MeasuredDepth(Protocol):
    """Ground truth that lies in no file of its own, such as a message of a bag."""

    def depth(self) -> npt.NDArray[np.float32]:
        """Depth (H, W) in metres, 0 where it is unknown."""
        ...


def read_ground_truth(
    truth: GroundTruth | MeasuredDepth, *, units_per_metre: float = UNITS_PER_METRE
) -> npt.NDArray[np.float32]:
    """Depth (H, W) in metres, 0 where it is unknown; the units are a depth image's.

    Raises:
        HmaDepthError: a file is missing or damaged, naming it.

    """
    if isinstance(truth, Path):
        return read_depth_png(truth, units_per_metre=units_per_metre)
    return truth.depth()
