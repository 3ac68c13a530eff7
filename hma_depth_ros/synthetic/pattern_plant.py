"""Leaves and bark."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.cutouts import flatten
from hma_depth_ros.synthetic.materials import Cutout
from hma_depth_ros.synthetic.noise import noise
from hma_depth_ros.synthetic.paint import Paint, matt
from hma_depth_ros.synthetic.surface import SolidSurface


def foliage(s: SolidSurface) -> Paint:
    """Leaves in clumps. Dimensions of a spray of leaves: its centre and radius, see `plants`."""
    u, v = flatten(s.local, s.local_normal, s.seed)
    clumps = noise(u, v, 1.1, s.footprint) + 0.9 * noise(u + 9, v, 0.34, s.footprint)
    leaves = noise(u + 5, v, 0.13, s.footprint) + 0.8 * noise(u + 2, v, 0.055, s.footprint)
    tone = np.clip(1 + 0.20 * clumps + 0.38 * leaves, 0.15, 2.2)
    yellow = np.clip(0.12 * noise(u + 4, v, 2.2, s.footprint) + 0.10 * leaves, -0.3, 0.4)
    hue = np.stack([1 + yellow, 1 + 0.35 * yellow, 1 - 0.7 * yellow])

    # A spray is lit like the round body it belongs to. And leaves point anywhere: roughen both.
    spray = s.solids.cutout[s.solid] == Cutout.SPRIGS
    centre = np.stack([s.dimension(axis) for axis in range(3)])
    outward = s.to_world(s.local - centre)
    outward /= np.sqrt((outward * outward).sum(axis=0)) + np.float32(1e-6)
    normal = np.where(spray, outward, s.normal)
    rough = np.stack([clumps, leaves, noise(u + 6, v, 0.34, s.footprint)])
    normal = normal + np.float32(0.45) * rough
    normal /= np.sqrt((normal * normal).sum(axis=0))
    return Paint(
        (s.color * tone * hue).astype(np.float32), np.zeros_like(u), leafy=True, normal=normal
    )


def bark(s: SolidSurface) -> Paint:
    """Upright ridges."""
    angle = np.arctan2(s.local_normal[1], s.local_normal[0])
    ridges = noise(angle * 0.3, s.local[2] * 0.25, 0.09, s.footprint)
    spots = noise(angle * 0.4, s.local[2], 0.5, s.footprint)
    return matt(s.color * np.clip(1 + 0.35 * ridges + 0.2 * spots, 0.25, 2))
