"""Whether depth images look as if they had been stored in another unit than they are read in.

A 16-bit PNG does not say its unit: KITTI's is a 256th of a metre, NYU Depth v2's and ROS's a
millimetre. Taken for the other, all depths are wrong by a factor of 3.9, and nothing fails. Nor
does it say that it is a disparity, which KITTI's stereo benchmarks store as pixels times 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE, read_depth_png
from hma_depth_ros.errors import HmaDepthError

T = TypeVar("T")

MILLIMETRES = 1000.0

#: Files that are looked at.
_SAMPLE = 12
#: KITTI's labels end at 85 m, and medians of lists are 8 to 14 m. Of millimetres taken for them
#: 7 to 25% lie beyond 100 m, which is 26 m in truth, and medians are 31 m and more.
_FAR, _FAR_SHARE, _FAR_MEDIAN = 100.0, 0.05, 20.0
#: Rooms have medians of 2 to 3 m; KITTI's units taken for millimetres end at 2.6 m for 10 m.
_NEAR, _NEAR_MEDIAN = 2.7, 1.2
#: Median of an image's lower half over that of its upper one. Of 154 images of KITTI, nuScenes and
#: others it is 0.87 at most and mostly 0.4; of their disparities 1.15 at least and mostly 2.5.
_NEAR_ABOVE = 1.5


def sample(items: Sequence[T]) -> Sequence[T]:
    """A dozen items at most, evenly spaced."""
    return items[:: max(1, -(-len(items) // _SAMPLE))]


def unit_hint(files: Sequence[Path], *, units_per_metre: float) -> str | None:
    """What is odd about the depths of ground truth read by that unit; None if nothing is.

    A few of the files are looked at. Those that cannot be read are passed over: whoever uses them
    says why.
    """
    known, below_over_above = [], []
    for path in sample(files):
        try:
            depth = read_depth_png(path, units_per_metre=units_per_metre)
        except HmaDepthError:
            continue
        if np.any(depth > 0):
            known.append(depth[depth > 0])
            below_over_above.append(_below_over_above(depth))
    if not known:
        return None
    falls = float(np.median(below_over_above))
    if falls > _NEAR_ABOVE:
        return (
            f"the ground truth is {falls:.1f} times as far in the lower half of the images as in "
            "the upper one, as if it were disparity (depth is fx x baseline / disparity) or upside "
            "down; it is read as depth"
        )
    median = float(np.median([np.median(depths) for depths in known]))
    far = float(np.mean([np.mean(depths > _FAR) for depths in known]))
    highest = max(float(depths.max()) for depths in known)
    if units_per_metre == UNITS_PER_METRE and median > _FAR_MEDIAN and far > _FAR_SHARE:
        return (
            f"the ground truth has a median of {median:.0f} m and {far:.0%} of it beyond "
            f"{_FAR:.0f} m, as if it were stored in millimetres; it is read as metres x 256"
        )
    if units_per_metre == MILLIMETRES and median < _NEAR_MEDIAN and highest < _NEAR:
        return (
            f"the ground truth has a median of {median:.2f} m and ends at {highest:.2f} m, as if "
            "it were stored in metres x 256; it is read as millimetres"
        )
    return None


def _below_over_above(depth: npt.NDArray[np.float32]) -> float:
    """Median of the lower half of the known pixels over that of the upper; 1 if one is empty."""
    rows, columns = np.nonzero(depth > 0)
    values, below = depth[rows, columns], rows > np.median(rows)
    if below.all() or not below.any():
        return 1.0
    return float(np.median(values[below]) / np.median(values[~below]))
