"""The ground in a sparse depth image, as a plane in inverse depth.

With a ray r(u, v) through a pixel, a plane n . X = h has 1 / Z = n . r / h, and r is linear in u
and v: every plane of the world is linear in the pixel once depth is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Share of the image, from (row, column) to (row, column), in which a car's camera sees the road.
_ROAD = (0.55, 0.2, 1.0, 0.8)
_DEPTHS = 2.0, 30.0  #: metres
_TRIALS, _SAMPLE = 64, 1500
_TOLERANCE = 0.06  #: of inverse depth, relative
_LEAST_SHARE, _LEAST_POINTS = 0.3, 60
_HEIGHTS = 0.6, 4.0  #: metres of a camera above the road
_LARGEST_ROLL = 0.1  #: rad


@dataclass(frozen=True)
class GroundPlane:
    """1 / Z = across * u + down * v + offset, in 1/m and pixels."""

    across: float
    down: float
    offset: float

    def inverse_depth(self, columns: Floats, rows: Floats) -> Floats:
        """1 / Z of the ground at pixels, in 1/m; not positive above the horizon."""
        return self.across * columns + self.down * rows + self.offset

    def row(self, columns: Floats, depth: Floats) -> Floats:
        """Row v at which the ground has the given depth in metres, for each column u."""
        return (1 / depth - self.across * columns - self.offset) / self.down


def fit_ground(
    depth: npt.NDArray[np.float32], focal_length: float, random: np.random.Generator
) -> GroundPlane | None:
    """Plane through most of the points where the road should be (RANSAC); None: there is none.

    Args:
        depth: (H, W), metres along the optical axis, 0 unknown.
        focal_length: in pixels; tells whether the plane is as far below as a road can be.
        random: of the trials.

    """
    height, width = depth.shape
    top, left, bottom, right = (
        int(share * side) for share, side in zip(_ROAD, (height, width) * 2, strict=True)
    )
    rows, columns = np.nonzero(depth[top:bottom, left:right])
    rows, columns = rows + top, columns + left
    z = depth[rows, columns].astype(np.float64)
    usable = np.flatnonzero((z > _DEPTHS[0]) & (z < _DEPTHS[1]))
    if usable.size < _LEAST_POINTS:
        return None
    usable = random.permutation(usable)[:_SAMPLE]
    points = np.column_stack([columns[usable], rows[usable], np.ones(usable.size)])
    inverse = 1 / z[usable]
    triples = random.integers(0, usable.size, (_TRIALS, 3))
    matrices: Floats = points[triples].astype(np.float64)
    regular = np.abs(np.asarray(np.linalg.det(matrices))) > 1.0
    if not regular.any():
        return None
    planes = np.linalg.solve(matrices[regular], inverse[triples[regular]][..., None])[..., 0]
    close = np.abs(planes @ points.T - inverse) < _TOLERANCE * inverse
    inliers = close[close.sum(axis=1).argmax()]
    if inliers.mean() < _LEAST_SHARE:
        return None
    across, down, offset = np.linalg.lstsq(points[inliers], inverse[inliers], rcond=None)[0]
    if down <= 0 or abs(across) > _LARGEST_ROLL * down:
        return None
    if not _HEIGHTS[0] < 1 / (down * focal_length) < _HEIGHTS[1]:
        return None
    return GroundPlane(float(across), float(down), float(offset))
