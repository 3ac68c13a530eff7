"""What is done to predicted depth before it is scored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE

#: Metres from which on depth counts (exclusive), as in Eigen et al. and BTS.
MIN_DEPTH = 1e-3


def clean(depth: npt.NDArray[np.float32], cap: float) -> npt.NDArray[np.float32]:
    """Bring predictions into [MIN_DEPTH, cap], in BTS's order; NaN, no depth, counts as nearest."""
    depth = np.where(depth < MIN_DEPTH, np.float32(MIN_DEPTH), depth)
    depth = np.where(depth > cap, np.float32(cap), depth)  # +inf too
    return np.where(np.isnan(depth), np.float32(MIN_DEPTH), depth)


def quantise(
    depth: npt.NDArray[np.float32], *, units_per_metre: float = UNITS_PER_METRE
) -> npt.NDArray[np.float32]:
    """Depth as BTS's 16-bit files hold it: cut down to a unit, 0 for NaN, at most 65535 units."""
    farthest = np.iinfo(np.uint16).max
    units = np.nan_to_num(depth * np.float32(units_per_metre), nan=0.0, posinf=farthest)
    return np.floor(units.clip(0, farthest)) / np.float32(units_per_metre)


def fill_holes(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give every pixel a depth, as KITTI's depth development kit does with sparse submissions.

    A run without depth (0, negative or not finite) in a row takes the farther of the two depths at
    its ends, or the only one; rows without any take the nearest row above, or else below. Without
    any depth at all, the result is 0.
    """
    holes = ~(np.isfinite(depth) & (depth > 0))
    if not holes.any():
        return depth
    if holes.all():
        return np.zeros_like(depth)
    columns = np.arange(depth.shape[1])
    left = np.maximum.accumulate(np.where(holes, -1, columns), axis=1)
    right = np.minimum.accumulate(np.where(holes, columns.size, columns)[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(np.where(holes, np.float32(0), depth), ((0, 0), (0, 1)))  # [-1] is outside
    rows = np.arange(depth.shape[0])[:, None]
    filled = np.maximum(padded[rows, left], padded[rows, right])
    usable = np.flatnonzero(filled[:, 0] > 0)
    above = np.searchsorted(usable, rows[:, 0], side="right") - 1
    return filled[usable[above.clip(0)]]
