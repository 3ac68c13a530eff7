"""Cast shadows: what the sun sees, as a map of distances along the light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hma_depth_ros.data.synthetic.casting import Hits, cast
from hma_depth_ros.data.synthetic.noise import look_up
from hma_depth_ros.data.synthetic.rays import Doubles, Floats, SunRays
from hma_depth_ros.data.synthetic.solids import SolidSet

_PITCH = 0.09  #: metres between rays of sunlight
_BIAS = 0.12  #: metres by which a surface may lie behind what the map has seen
_TALLEST = 30.0  #: metres


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Distances at which sunlight is stopped by solids."""

    rays: SunRays
    hits: Hits

    @classmethod
    def of(cls, solids: SolidSet, footprint: Doubles, to_sun: Doubles) -> ShadowMap:
        """Map over the ground within `footprint` (N, 3)."""
        rays = SunRays.over(footprint, to_sun, pitch=_PITCH, height=_TALLEST)
        hits = Hits.nothing(rays.shape)
        cast(rays, solids, hits)
        return cls(rays, hits)

    def with_solids(self, solids: SolidSet) -> ShadowMap:
        """Map with more solids in the light, for those that move."""
        hits = Hits(self.hits.t.copy(), self.hits.face)
        cast(self.rays, solids, Hits(hits.t, self.hits.face.copy()))
        return ShadowMap(self.rays, hits)

    def sunlit(self, world: Floats, normal: Floats) -> Floats:
        """Share (n) of the sun that is seen from places (3, n); 1 outside the map."""
        offset = world - self.rays.origin.astype(np.float32)[:, None] + normal * np.float32(0.05)
        across = self.rays.axes.astype(np.float32) @ offset
        column = (across[0] - np.float32(self.rays.corner[0])) / np.float32(self.rays.pitch)
        row = (across[1] - np.float32(self.rays.corner[1])) / np.float32(self.rays.pitch)
        depth = across[2] + np.float32(self.rays.back - _BIAS)
        lit = np.zeros_like(depth)
        # Four taps half a ray apart soften the edge by about the sun's penumbra.
        for shift_column, shift_row in ((-0.6, -0.2), (0.2, -0.6), (0.6, 0.2), (-0.2, 0.6)):
            seen = look_up(
                self.hits.t,
                column + np.float32(shift_column),
                row + np.float32(shift_row),
                outside=np.inf,
                interpolation=cv2.INTER_NEAREST,
            )
            lit += seen > depth
        return lit * np.float32(0.25)
