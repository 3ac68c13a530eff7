"""Painted things: posts, kerbs, boards, and road signs."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.cutouts import flatten
from hma_depth_ros.synthetic.noise import noise
from hma_depth_ros.synthetic.paint import Paint, matt
from hma_depth_ros.synthetic.surface import SolidSurface

ROUND, TRIANGLE, SQUARE, DIAMOND = range(4)  #: kinds of road sign


def plain(s: SolidSurface) -> Paint:
    """One colour, slightly uneven."""
    u, v = flatten(s.local, s.local_normal, s.seed)
    tone = 1 + 0.05 * noise(u, v, 0.4, s.footprint) + 0.04 * noise(u, v, 0.07, s.footprint)
    return Paint(s.color * tone, s.gloss)


def sign(s: SolidSurface) -> Paint:
    """Face of a road sign towards -x, grey behind.

    Dimensions: half width, height of the centre, kind. Colours: field and rim.
    """
    half, centre, kind = s.dimension(0), s.dimension(1), s.dimension(2)
    y, z = s.local[1] / half, (s.local[2] - centre) / half
    radius = np.hypot(y, z)
    rim = np.select(
        [kind == ROUND, kind == TRIANGLE, kind == SQUARE],
        [
            radius > 0.78,
            (z < -0.80) | (np.abs(y) * 2 + z > 0.62),
            np.maximum(np.abs(y), np.abs(z)) > 0.90,
        ],
        np.abs(y) + np.abs(z) > 0.72,
    )
    # No two signs say the same: a blot stands for the pictogram.
    blot = noise(y + 3 * (s.seed % 17).astype(np.float32), z, 0.8) > 0.35
    blot &= (np.hypot(y, z + 0.15 * (kind == TRIANGLE)) < 0.42) & (kind != DIAMOND)
    field = np.where(blot, np.where(kind == SQUARE, s.accent, 0.02), s.color)
    face = np.where(rim, s.accent, field)
    return matt(np.where(s.local_normal[0] < -0.5, face, 0.22))
