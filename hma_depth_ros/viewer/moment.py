"""What there is to see at one moment, wherever it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.visualization.attention_color import scale_names

#: Points of a cloud at most that are shown; more take the viewer's memory and show nothing new.
_POINTS = 120_000


@dataclass(frozen=True)
class Contents:
    """What all moments of a recording may have, by which the viewer's window is divided."""

    title: str
    max_depth: float = 80.0  #: metres, the far end of the colours
    scales: int = 0  #: of the masks
    confidence: bool = False
    cloud: bool = False
    lidar: bool = False
    moving: bool = False  #: whether it is known where the camera is in the world

    @property
    def scale_names(self) -> list[str]:
        """Coarse to fine."""
        return scale_names(self.scales) if self.scales else []


@dataclass(frozen=True)
class Moment:
    """One image and what belongs to it; all places in metres, in the camera's optical frame."""

    stamp: int  #: nanoseconds
    image: npt.NDArray[np.uint8]  #: (H, W, 3) RGB
    camera: PinholeCamera | None = None  #: of the image
    depth: npt.NDArray[np.float32] | None = None  #: (h, w) metres
    masks: npt.NDArray[np.float32] | None = None  #: (S, h, w) weights, coarse to fine
    confidence: npt.NDArray[np.float32] | None = None  #: (h, w) in [0, 1]
    #: (h, w, 3), of an even grid of the image's pixels; NaN where there is none
    cloud: npt.NDArray[np.float32] | None = None
    lidar: npt.NDArray[np.float64] | None = None  #: (N, 3)
    place: npt.NDArray[np.float64] | None = None  #: 4x4, optical frame to the world (z up)
    figures: Mapping[str, float] = field(default_factory=dict)  #: over time, by name

    def colored_points(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Points (N, 3) of the cloud, fewer if they are many, and the image's colours (N, 3)."""
        assert self.cloud is not None
        height, width = self.cloud.shape[:2]
        step = math.ceil(math.sqrt(height * width / _POINTS))
        points = self.cloud[::step, ::step]
        rows, columns = (
            np.minimum(np.arange(0, length, step) * size // length, size - 1)
            for length, size in zip((height, width), self.image.shape[:2], strict=True)
        )
        seen = np.isfinite(points).all(axis=-1)
        return points[seen], self.image[np.ix_(rows, columns)][seen]
