"""Contact shade: less of the sky is seen under cars and along walls, even where no sun shines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hma_depth_ros.synthetic.noise import Floats, look_up
from hma_depth_ros.synthetic.solids import Doubles, SolidSet

_PITCH = 0.12  #: metres per cell of the map
_LOW = 0.6  #: metres: solids that begin below shade the ground
_RISE = 0.6  #: metres of height over which the shade fades


@dataclass(frozen=True, eq=False)
class ContactShade:
    """Map, seen from above, of how much of the sky is hidden near the ground."""

    corner: Doubles  #: (2) world x, y of the first cell
    hidden: Floats  #: (rows along y, columns along x), 0 to 1

    @classmethod
    def of(cls, solids: SolidSet, low: Doubles, high: Doubles) -> ContactShade:
        """Map of the rectangle from `low` to `high` (2), metres in the world."""
        columns, rows = np.ceil((high - low) / _PITCH).astype(int).tolist()
        footprints = np.zeros((rows, columns), np.float32)
        corners = (solids.corners[..., :2] - low) / _PITCH
        inside = (corners.max(axis=1) > 0).all(axis=1)
        inside &= (corners.min(axis=1) < (columns, rows)).all(axis=1)
        touching = inside & (solids.corners[..., 2].min(axis=1) < _LOW)
        for outline in corners[touching]:
            hull = cv2.convexHull(np.rint(outline).astype(np.int32))
            cv2.fillConvexPoly(footprints, hull, 1.0)
        close = cv2.GaussianBlur(footprints, (0, 0), 0.22 / _PITCH)
        around = cv2.GaussianBlur(footprints, (0, 0), 1.0 / _PITCH)
        return cls(low, 1 - (1 - 0.62 * close) * (1 - 0.35 * around))

    def open_sky(self, world: Floats, normal: Floats) -> Floats:
        """Share (n) of the sky's light that reaches places (3, n)."""
        column = (world[0] + 0.3 * normal[0] - np.float32(self.corner[0])) / np.float32(_PITCH)
        row = (world[1] + 0.3 * normal[1] - np.float32(self.corner[1])) / np.float32(_PITCH)
        hidden = look_up(self.hidden, column, row)
        return 1 - hidden * np.exp(-np.maximum(world[2], 0) / np.float32(_RISE))
