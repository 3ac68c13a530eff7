"""Cars: lamps, grille, number plate, seams, wheel arches; windows and pillars; rims."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.noise import Floats, cell_hash
from hma_depth_ros.synthetic.paint import Paint, rgb
from hma_depth_ros.synthetic.surface import SolidSurface

_BLACK = np.float32(0.012)


def body(s: SolidSurface) -> Paint:
    """Dimensions: length, width, wheel radius, front and rear axle, nose, tail and belt height."""
    x, y, z = s.local
    length, wheel, belt = s.dimension(0), s.dimension(2), s.dimension(7)
    flank = np.abs(s.local_normal[1]) > 0.75
    end = (np.abs(s.local_normal[0]) > 0.55) & (z < belt - 0.02)
    front, rear = end & (x > 0), end & (x < 0)

    trim = z < 0.30 + 0.06 * s.chance(1)
    axle = np.where(x > 0, s.dimension(3), s.dimension(4))
    arch = flank & (np.hypot(x - axle, z - wheel) < wheel * 1.17)
    lines = _seams(s) & flank & ~arch & ~trim
    lines |= end & (np.abs(z - 0.555) < 0.012)  # the bumper's upper edge
    albedo = np.where(lines, s.color * 0.25, s.color)

    lamp_low = np.where(x > 0, s.dimension(5) - 0.20, s.dimension(6) - 0.33)
    lamp_high = np.where(x > 0, s.dimension(5) - 0.04, s.dimension(6) - 0.08)
    across = np.abs(y) / (s.dimension(1) / 2)
    lamp = (end | flank) & (np.abs(x) > length / 2 - 0.30) & ~trim
    lamp &= (z > lamp_low) & (z < lamp_high) & (across > np.where(x > 0, 0.52, 0.68))
    clear = rgb(0.80, 0.82, 0.84) * (0.6 + 0.4 * np.cos(y * 55))
    red = np.where(z < lamp_low + 0.08, rgb(0.70, 0.35, 0.10), rgb(0.52, 0.05, 0.05))
    albedo = np.where(lamp, np.where(x > 0, clear, red), albedo)

    above_nose = z - s.dimension(5)
    grille = front & (across < 0.46) & (above_nose > -0.21) & (above_nose < -0.06)
    intake = front & (across < 0.62) & (z > 0.30) & (z < 0.42)
    hollow = trim | arch | grille | intake
    albedo = np.where(hollow, _BLACK, albedo)

    plate_z = np.select([front, s.dimension(6) > 0.93], [0.47, 0.74], 0.62).astype(np.float32)
    plate = (front | rear) & (np.abs(y) < 0.26) & (np.abs(z - plate_z) < 0.058)
    letter = np.floor(y / 0.065)
    ink = (np.abs(z - plate_z) < 0.036) & (np.mod(y, 0.065) < 0.036) & (np.abs(y) < 0.21)
    ink &= cell_hash(letter, s.seed) < 0.85
    albedo = np.where(plate & ink, 0.03, np.where(plate, 0.72, albedo))
    gloss = np.where(hollow | plate, 0, np.where(lamp, 0.08, s.gloss))
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def _seams(s: SolidSurface) -> Floats:
    """Gaps around doors, their handles, and a rubbing strip on some cars."""
    x, _, z = s.local
    below_belt = z - s.dimension(7) + 0.14
    gap = (np.abs(x - 0.62) < 0.012) | (np.abs(x + 0.42) < 0.012)
    gap |= np.abs(x + 1.3 + 0.2 * z) < 0.01
    handle = (np.abs(x + 0.25) < 0.09) | (np.abs(x + 1.12) < 0.09)
    handle &= np.abs(below_belt) < 0.018
    strip = (np.abs(z - 0.55) < 0.03) & (s.chance(2) < 0.4)
    return gap | handle | strip


def cabin(s: SolidSurface) -> Paint:
    """Dimensions: belt, height, x of windscreen foot and head, rear window head and foot, width."""
    x, y, z = s.local
    belt, height = s.dimension(0), s.dimension(1)
    share = np.clip((z - belt) / (height - belt), 0, 1)
    front = s.dimension(2) + (s.dimension(3) - s.dimension(2)) * share
    rear = s.dimension(5) + (s.dimension(4) - s.dimension(5)) * share
    flank = np.abs(s.local_normal[1]) > 0.8
    pillar = np.abs(x + 0.42) < 0.045
    pillar |= (np.abs(x + 1.34) < 0.05) & (rear < -1.55)
    upright = flank & (z > belt + 0.035) & (z < height - 0.115)
    side = upright & (x < front - 0.13) & (x > rear + 0.16)
    half = s.dimension(6) / 2 - 0.045 - 0.36 * (z - belt)
    screen = ~flank & (np.abs(s.local_normal[0]) > 0.4) & (np.abs(y) < half - 0.07)
    screen &= (z > belt + 0.03) & (z < height - 0.09)
    glass = (side & ~pillar) | screen

    # Through the glass: the seats, and lighter above them the windows of the other side.
    seat = flank & (np.mod(x + 0.35, 0.95) < 0.34) & (share < 0.55)
    seat |= screen & (np.abs(np.abs(y) - 0.36) < 0.14) & (share < 0.5)
    inside = np.where(seat, 0.006, 0.022 + 0.05 * share)
    albedo = np.where(glass, inside, np.where(side & pillar, _BLACK, s.color))
    gloss = np.where(glass, 0.11, s.gloss)
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def wheel(s: SolidSurface) -> Paint:
    """Dimensions: radius, x of the front and rear axle. Colours: tyre and rim."""
    x, _, z = s.local
    radius = s.dimension(0)
    axle = np.where(x > 0, s.dimension(1), s.dimension(2))
    across, up = (x - axle) / radius, z / radius - 1
    r, angle = np.hypot(across, up), np.arctan2(up, across)
    rim = (np.abs(s.local_normal[1]) > 0.5) & (r < 0.66)
    spokes = np.floor(5 + 3 * s.chance(3))
    gap = rim & (r > 0.22) & (r < 0.60) & (np.cos(angle * spokes) > 0.35)
    metal = s.accent * (0.7 + 0.3 * np.cos(r * 9))
    albedo = np.where(rim, np.where(gap, _BLACK, metal), s.color)
    return Paint(albedo.astype(np.float32), np.where(rim & ~gap, 0.05, 0).astype(np.float32))
