"""Cast shadows: what the sun sees, as a map of distances along the light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hma_depth_ros.synthetic.casting import Hits, cast
from hma_depth_ros.synthetic.rays import Doubles, Floats, SunRays
from hma_depth_ros.synthetic.solids import SolidSet

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
        hits = Hits(self.hits.t.copy(), self.hits.face.copy())
        cast(self.rays, solids, hits)
        return ShadowMap(self.rays, hits)

    def sunlit(self, world: Floats, normal: Floats) -> Floats:
        """Share (n) of the sun that is seen from places (3, n); 1 outside the map."""
        offset = world - self.rays.origin.astype(np.float32)[:, None] + normal * np.float32(0.05)
        across = self.rays.axes.astype(np.float32) @ offset
        column = (across[0] - np.float32(self.rays.corner[0])) / np.float32(self.rays.pitch)
        row = (across[1] - np.float32(self.rays.corner[1])) / np.float32(self.rays.pitch)
        depth = across[2] + np.float32(self.rays.back - _BIAS)
        left, top = np.floor(column), np.floor(row)
        right_share, low_share = column - left, row - top
        rows, columns = self._framed.shape
        # Two rays to all sides of the map see no end: what is outside is lit.
        x = np.clip(left, -2, columns - 4).astype(np.int64) + 2
        first = (np.clip(top, -2, rows - 4).astype(np.int64) + 2) * columns + x
        lit = np.zeros_like(depth)
        # Comparing first and blending the four answers softens the edge (Reeves et al. 1987).
        for right in (0, 1):
            for low in (0, 1):
                seen = np.take(self._framed, first + (low * columns + right))
                share = right_share if right else 1 - right_share
                share = share * (low_share if low else 1 - low_share)
                lit += share * (seen > depth)
        return lit

    @cached_property
    def _framed(self) -> Floats:
        return np.pad(self.hits.t, 2, constant_values=np.inf)
