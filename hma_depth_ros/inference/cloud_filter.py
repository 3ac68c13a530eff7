"""Which points of a depth image go into the cloud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError


@dataclass(frozen=True)
class CloudFilter:
    """What leaves points out; as it is here, nothing does."""

    stride: int = 1  #: every so many pixels in both directions
    min_range: float = 0.0  #: metres along the optical axis
    #: Degrees at least between a ray and the surface that it meets, with the neighbours on both
    #: sides. Between a near and a far thing the network draws a slope, and pixels on it are points
    #: in the air ("flying pixels"); the road 60 m ahead of a car is seen at 1.6 degrees. 0: all.
    min_angle: float = 0.0
    #: Probability at least that depth is right (`network.error_estimate.confidence`); 0: all.
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            HmaDepthError: one of them is none that it can have.

        """
        if self.stride < 1:
            raise HmaDepthError(f"a cloud cannot have every {self.stride}th pixel; take 1 or more")
        if not 0 <= self.min_range < math.inf:
            raise HmaDepthError(f"points cannot begin at {self.min_range} m")
        if not 0 <= self.min_angle < 90:
            raise HmaDepthError(f"surfaces are seen at 0 to 90 degrees, not {self.min_angle}")
        if not 0 <= self.min_confidence <= 1:
            raise HmaDepthError(f"confidence goes from 0 to 1, {self.min_confidence} is none")

    def size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the cloud of a depth image of (H, W)."""
        rows, columns = (-(-length // self.stride) for length in image_size)
        return rows, columns

    def of(
        self, depth: Tensor, confidence: Tensor | None, focal_length: float, *, limited: bool
    ) -> Tensor:
        """Depth (h, w) of the cloud's points, NaN for those that are left out.

        Args:
            depth: (H, W) in metres or NaN. Not changed.
            confidence: (H, W), None of a model without: then it leaves nothing out.
            focal_length: of the depth image, in pixels.
            limited: depth may be +inf, which is no point either.

        """
        step = self.stride
        kept = depth[::step, ::step]
        reasons = []
        if limited:
            reasons.append(kept.isinf())
        if self.min_range:
            reasons.append(kept < self.min_range)
        if self.min_confidence and confidence is not None:
            # Not `<`: a confidence that is no number is not enough.
            reasons.append(~(confidence[::step, ::step] >= self.min_confidence))
        if self.min_angle:
            rise = 1 / (focal_length * math.tan(math.radians(self.min_angle)))
            reasons.append(on_a_slope(depth, rise)[::step, ::step])
        if not reasons:
            return kept.contiguous()
        return kept.masked_fill(reduce(torch.logical_or, reasons), torch.nan).contiguous()


#: Leaves none out.
ALL_POINTS = CloudFilter()


def on_a_slope(depth: Tensor, rise: float) -> Tensor:
    """Which pixels (H, W) differ from both neighbours of a row or column by over `rise` of it.

    The last pixel of a near thing and the first of what is behind differ from one neighbour only,
    and so does a sharp step's whole surroundings.
    """
    slope = torch.zeros_like(depth, dtype=torch.bool)
    least = depth * rise
    for axis in (0, 1):
        inner = depth.shape[axis] - 2
        if inner < 1:
            continue
        steep = depth.diff(dim=axis).abs_()
        lesser = torch.minimum(steep.narrow(axis, 0, inner), steep.narrow(axis, 1, inner))
        slope.narrow(axis, 1, inner).logical_or_(lesser > least.narrow(axis, 1, inner))
    return slope
