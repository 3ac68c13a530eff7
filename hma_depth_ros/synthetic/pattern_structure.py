"""What engineers build along large roads: concrete, embankments, boards over the lanes."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.cutouts import flatten
from hma_depth_ros.synthetic.lettering import letters
from hma_depth_ros.synthetic.noise import cell_hash, noise
from hma_depth_ros.synthetic.paint import Paint, matt
from hma_depth_ros.synthetic.surface import SolidSurface


def concrete(s: SolidSurface) -> Paint:
    """Concrete with the joints of its shuttering, and streaks of rain below its edges.

    Dimensions: length and height of a panel, height of the upper edge.
    """
    u, v = flatten(s.local, s.local_normal, s.seed)
    length, height = np.maximum(s.dimension(0), 0.1), np.maximum(s.dimension(1), 0.1)
    panel = cell_hash(np.floor(u / length), np.floor(v / height), s.seed) - 0.5
    part_u, part_v = np.mod(u, length), np.mod(v, height)
    joint = np.minimum(np.minimum(part_u, length - part_u), np.minimum(part_v, height - part_v))
    near = np.clip(2 - s.footprint / 0.05, 0, 1)
    below = np.maximum(s.dimension(2) - s.local[2], 0)
    upright = np.abs(s.local_normal[2]) < 0.5
    streaks = np.clip(noise(u, v * 0.1, 0.35, s.footprint) + 0.3, 0, 2) * np.exp(-below / 1.2)
    stain = noise(u, v, 1.7, s.footprint) + 0.7 * noise(u, v, 0.4, s.footprint)
    tone = 1 + 0.14 * panel + 0.07 * stain + 0.04 * noise(u, v, 0.06, s.footprint)
    tone -= 0.22 * streaks * upright + 0.35 * near * np.clip(1.5 - joint / 0.012, 0, 1)
    tone -= 0.20 * np.exp(-np.maximum(s.local[2], 0) / 0.3)
    return matt(s.color * np.maximum(tone, 0.15))


def turf(s: SolidSurface) -> Paint:
    """Rough grass on a slope."""
    u, v = s.local[0], s.local[1]
    tone = 1 + 0.22 * noise(u, v, 0.12, s.footprint) + 0.2 * noise(u, v, 0.5, s.footprint)
    dry = np.clip(
        0.14 * noise(u, v, 1.3, s.footprint) + 0.1 * noise(u, v, 4.1, s.footprint), -0.3, 1
    )
    hue = np.stack([1 + 0.8 * dry, 1 + 0.2 * dry, 1 - 0.2 * dry])
    return matt(s.color * np.clip(tone, 0.2, 2) * hue)


def directions(s: SolidSurface) -> Paint:
    """Board with the names of places and an arrow, towards -x; grey behind.

    Dimensions: y of its left and right edge, z of the lower and upper one. Colours: field and ink.
    """
    left, right, low, high = (s.dimension(i) for i in range(4))
    u, v = left - s.local[1], s.local[2] - low
    width, height = left - right, high - low
    line = np.maximum(height / 4, 0.3)
    row = np.floor(v / line)
    ink = letters(u, np.mod(v, line) - 0.2 * line, 0.6 * line, s.seed, 1)
    ink &= (row >= 1) & (u > 0.2) & (u < width * (0.55 + 0.35 * cell_hash(s.seed, row, 2)))
    middle = np.abs(u - width / 2)
    arrow = (v > 0.1 * line) & (v < 0.5 * line) & (middle < 0.08)
    arrow |= (v >= 0.5 * line) & (middle < 0.6 * (0.95 * line - v))
    rim = np.minimum(np.minimum(u, width - u), np.minimum(v, height - v))
    ink |= arrow | ((rim > 0.04) & (rim < 0.09))
    face = np.where(ink & (v < height), s.accent, s.color)
    return matt(np.where(s.local_normal[0] < -0.5, face, 0.22))
