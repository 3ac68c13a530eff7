"""Lorries and buses: liveries, tail doors, cabs, rows of windows, hazard stripes, and dirt."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.lettering import letters
from hma_depth_ros.synthetic.noise import Bools, Floats, noise
from hma_depth_ros.synthetic.paint import Paint, matt, rgb
from hma_depth_ros.synthetic.surface import SolidSurface

SMOOTH, CURTAIN, RIBBED = range(3)  #: kinds of side wall
_BLACK = np.float32(0.012)


def livery(s: SolidSurface) -> Paint:
    """Load body: sides with stripes, a name, a logo; doors at the rear.

    Dimensions: x of rear and front, z of floor and roof, width, kind of side wall. Colours: body,
    and what is painted on it.
    """
    flank = np.abs(s.local_normal[1]) > 0.35
    rear = s.local_normal[0] < -0.7
    albedo = np.where(flank, _side(s), s.color)
    albedo = np.where(rear, _doors(s), albedo)
    return Paint((albedo * _dirt(s, s.dimension(2))).astype(np.float32), s.gloss)


def _side(s: SolidSurface) -> Floats:
    """Colour (3, n) of the long sides."""
    rear, front, floor, roof = (s.dimension(i) for i in range(4))
    length, height = front - rear, roof - floor
    # Written from left to right on either side, so that it reads forwards on the right one.
    along = np.where(s.local_normal[1] > 0, front - s.local[0], s.local[0] - rear)
    up, share = s.local[2] - floor, along / length
    seed, kind = s.seed, s.dimension(5)
    chance = s.chance(1)

    level = (0.12 + 0.6 * s.chance(2)) * height
    painted = (chance < 0.30) & (np.abs(up - level) < (0.05 + 0.1 * s.chance(3)) * height)
    slant = share + (0.5 * s.chance(4) - 0.25) * (up / height)
    painted |= (chance > 0.62) & (chance < 0.76) & (slant > 0.35 + 0.4 * s.chance(5))
    painted |= (chance > 0.76) & (chance < 0.84) & (up < level)
    # Pictures: large soft blots.
    scene = noise(along + (seed % 89).astype(np.float32), up, 2.6, s.footprint)
    picture = (chance > 0.84) & (share > 0.1) & (share < 0.9) & (up > 0.15 * height)
    albedo = np.where(painted, s.accent, s.color)
    blend = np.where(picture, np.clip(0.5 + 0.7 * scene, 0, 1), 0)
    albedo = albedo * (1 - blend) + s.accent * blend

    centre = 0.2 + 0.6 * s.chance(6)
    radius = (0.16 + 0.14 * s.chance(7)) * height
    stretch = 1 + 1.2 * s.chance(8)
    away = np.hypot((along - centre * length) / stretch, up - 0.58 * height) / radius
    logo = ((away < 1) & (away > 0.72)) | (away < 0.45)
    albedo = np.where(logo & (s.chance(9) < 0.35), _contrast(s, painted), albedo)

    size = (0.12 + 0.26 * s.chance(10)) * height
    starts, ends = 0.08 + 0.2 * s.chance(11), 0.6 + 0.32 * s.chance(12)
    ink = letters(along, up - (0.35 + 0.25 * s.chance(13)) * height, size, seed, 14)
    ink &= (share > starts) & (share < ends) & (s.chance(15) < 0.62)
    small = letters(along, up - 0.12 * height, size * 0.35, seed, 16)
    ink |= small & (share > 0.55) & (share < 0.9) & (s.chance(17) < 0.4)
    albedo = np.where(ink, _contrast(s, painted), albedo)

    near = np.clip(2 - s.footprint / 0.06, 0, 1)
    strap = (np.mod(along, 0.62) < 0.05) & (up < 0.94 * height)
    folds = 1 - 0.35 * strap + 0.10 * np.sin(along * 10.1) * np.clip(1.2 - up / height, 0, 1)
    buckle = (up < 0.16) & (np.mod(along, 0.62) < 0.09)
    curtain = near * folds + (1 - near) * 0.97 - 0.3 * near * buckle
    ribs = 1 - near * np.where(np.mod(along, 0.28) < 0.10, 0.30, 0.0) - (1 - near) * 0.10
    relief = np.select([kind == CURTAIN, kind == RIBBED], [curtain, ribs], 1.0)
    rail = (up < 0.09) | (up > height - 0.07) | (along < 0.06) | (along > length - 0.06)
    return np.where(rail, np.minimum(albedo * 0.6 + 0.05, 1), albedo * relief).astype(np.float32)


def _contrast(s: SolidSurface, painted: Bools) -> Floats:
    """Colour (3, n) of writing: it must be told from what is under it."""
    under = np.where(painted, s.accent, s.color)
    bright = under.mean(axis=0) > 0.22
    dark = np.where(s.accent.mean(axis=0) < 0.18, s.accent, 0.03)
    return np.where(bright, dark, 0.78)


def _doors(s: SolidSurface) -> Floats:
    """Colour (3, n) of the rear: two doors, their bars and hinges, a roller door on some."""
    y, up = s.local[1], s.local[2] - s.dimension(2)
    height, half = s.dimension(3) - s.dimension(2), s.dimension(4) / 2
    roller = s.chance(21) < 0.25
    seam = np.abs(y) < 0.02
    bars = (np.abs(np.abs(y) - 0.42 * half) < 0.022) | (np.abs(np.abs(y) - 0.62 * half) < 0.022)
    hinge = (np.abs(y) > half - 0.16) & (np.mod(up + 0.2, height / 4) < 0.07)
    slats = np.mod(up, 0.30) < 0.03
    frame = (np.abs(y) > half - 0.07) | (up < 0.09) | (up > height - 0.08)
    lines = np.where(roller, slats, seam | hinge)
    albedo = np.where(lines, s.color * 0.35, s.color)
    albedo = np.where(bars & ~roller, 0.30, albedo)
    albedo = np.where(frame, s.color * 0.55 + 0.03, albedo)
    ink = letters(np.float32(half) - y, up - 0.62 * height, 0.26, s.seed, 22)
    ink &= (np.abs(y) < half * 0.7) & (s.chance(23) < 0.5)
    return np.where(ink, _contrast(s, seam & False), albedo).astype(np.float32)


def _dirt(s: SolidSurface, foot: Floats) -> Floats:
    """Tone (n) of road spray from below and streaks of rain from above."""
    u = np.where(np.abs(s.local_normal[0]) > 0.5, s.local[1], s.local[0])
    u = u + (s.seed % 61).astype(np.float32)
    up = s.local[2] - foot
    amount = 0.15 + 0.75 * s.chance(31) ** 2
    spray = np.exp(-np.maximum(up, 0) / 0.45) * (1 + 0.5 * noise(u, up, 0.7, s.footprint))
    streaks = noise(u, up * 0.12, 0.23, s.footprint) + noise(u, up * 0.3, 1.1, s.footprint)
    return np.clip(1 - amount * (0.45 * spray + 0.09 * streaks + 0.06), 0.25, 1.15)


def cab(s: SolidSurface) -> Paint:
    """Driver's cab: windows, grille, lamps, doors.

    Dimensions: x of rear and front, z of floor, window line and roof, width, 1 for a bonnet.
    """
    x, y, z = s.local
    rear, front, floor, belt, roof = (s.dimension(i) for i in range(5))
    half, bonnet = s.dimension(5) / 2, s.dimension(6) > 0
    flank = np.abs(s.local_normal[1]) > 0.7
    facing = s.local_normal[0] > 0.3
    top = np.minimum(belt + 0.95, roof - 0.15)
    foot = np.where(bonnet, front - 1.0, front - 0.12)
    side = flank & (z > belt) & (z < top) & (x < foot - 0.3 * (z - belt))
    side &= x > np.maximum(rear + 0.25, foot - 1.15)
    screen = facing & (z > belt - 0.05) & (z < top + 0.05) & (np.abs(y) < half - 0.12)
    glass = side | screen
    door = flank & (z > floor + 0.25) & (np.abs(x - np.maximum(rear + 0.2, foot - 1.2)) < 0.015)
    handle = flank & (np.abs(z - belt + 0.22) < 0.03) & (np.abs(x - rear - 0.42) < 0.10)
    nose = facing & (z < belt - 0.12)
    grille = nose & (z > floor + 0.45) & (np.abs(y) < half * 0.72)
    grille &= np.mod(z, 0.12 + 0.1 * s.chance(41)) < 0.07
    bumper = (z < floor + 0.40) & (s.chance(42) < 0.6)
    lamp = nose & (np.abs(z - floor - 0.28) < 0.10) & (np.abs(y) > half * 0.62)
    plate = facing & (np.abs(y) < 0.26) & (np.abs(z - floor - 0.14) < 0.06)
    name = nose & letters(half - y, z - belt + 0.36, 0.13, s.seed, 43) & (np.abs(y) < 0.45)

    albedo = np.where(bumper, 0.05, s.color)
    albedo = np.where(grille | door | handle, _BLACK * 2, albedo)
    albedo = np.where(name, 0.6, albedo)
    albedo = np.where(lamp, rgb(0.80, 0.82, 0.84), np.where(plate, 0.72, albedo))
    albedo = albedo * _dirt(s, floor)
    albedo = np.where(glass, 0.02 + 0.03 * np.clip((z - belt) / 0.9, 0, 1), albedo)
    gloss = np.where(glass, 0.11, np.where(grille | bumper, 0, np.where(lamp, 0.08, s.gloss)))
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def bus(s: SolidSurface) -> Paint:
    """Bus: a band of windows, doors on the right, screens in front and at the rear, advertisements.

    Dimensions: x of rear and front, z of floor, window line and roof, width. Colours: body and
    stripe.
    """
    x, y, z = s.local
    rear, front, floor, belt, roof = (s.dimension(i) for i in range(5))
    half = s.dimension(5) / 2
    flank = np.abs(s.local_normal[1]) > 0.7
    facing, behind = s.local_normal[0] > 0.5, s.local_normal[0] < -0.5
    head = roof - 0.42
    pitch = 1.1 + 0.6 * s.chance(51)
    pillar = np.mod(front - x, pitch) < 0.08
    window = flank & (z > belt) & (z < head) & (x > rear + 0.35) & (x < front - 0.15)
    at = np.minimum(np.abs(x - front + 1.0), np.abs(x - front + 0.52 * (front - rear)))
    door = flank & (s.local_normal[1] < 0) & (z < head) & (z > floor + 0.12) & (at < 0.62)
    leaf = door & ((at > 0.56) | (at < 0.03))
    screen = facing & (z > belt - 0.35) & (z < head + 0.05) & (np.abs(y) < half - 0.10)
    screen |= behind & (z > belt + 0.15) & (z < head) & (np.abs(y) < half - 0.22)
    glass = (window & ~pillar & ~door) | (door & ~leaf) | screen
    sign = facing & (z > head + 0.08) & (z < roof - 0.08) & (np.abs(y) < half - 0.3)
    lit = sign & letters(half - y, z - head - 0.13, 0.17, s.seed, 52)

    stripe = flank & (np.abs(z - floor - 0.5) < 0.05 + 0.35 * s.chance(53))
    stripe |= (s.chance(54) < 0.4) & (x < rear + 2.5 + 0.8 * z)
    albedo = np.where(stripe, s.accent, s.color)
    along = np.where(s.local_normal[1] > 0, front - x, x - rear)
    advert = flank & (along > 2.5) & (along < 7.0) & (z > floor + 0.25) & (z < belt - 0.08)
    advert &= s.chance(55) < 0.6
    blot = noise(along + (s.seed % 53).astype(np.float32), z, 0.9, s.footprint) > 0.3
    ink = letters(along, z - floor - 0.35, 0.22, s.seed, 56)
    albedo = np.where(advert & ~stripe, np.where(blot, s.accent, 0.7), albedo)
    albedo = np.where(advert & ink, _contrast(s, stripe), albedo)
    engine = behind & (z < belt - 0.1) & (z > floor + 0.3) & (np.abs(y) < half * 0.7)
    albedo = np.where(engine & (np.mod(z, 0.14) < 0.05), albedo * 0.3, albedo)
    lamps = behind & (np.abs(y) > half - 0.22) & (z > floor + 0.25) & (z < belt - 0.05)
    front_lamps = facing & (np.abs(y) > half - 0.5) & (np.abs(z - floor - 0.35) < 0.10)
    albedo = np.where(lamps, rgb(0.55, 0.05, 0.05), albedo)
    albedo = np.where(front_lamps, rgb(0.8, 0.82, 0.84), albedo)
    albedo = albedo * _dirt(s, floor)
    inside = 0.018 + 0.04 * np.clip((z - belt) / 1.2, 0, 1) + 0.02 * (np.mod(x, 0.8) < 0.3)
    albedo = np.where(glass, inside, np.where((window & pillar) | leaf | sign, _BLACK, albedo))
    albedo = np.where(lit, rgb(0.95, 0.70, 0.15), albedo)
    gloss = np.where(glass, 0.11, np.where(leaf | sign, 0, s.gloss))
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def hazard(s: SolidSurface) -> Paint:
    """Slanting warning stripes that point outwards. Dimensions: width of a stripe."""
    across = np.where(np.abs(s.local_normal[0]) > 0.5, np.abs(s.local[1]), s.local[0])
    stripe = np.mod((across + s.local[2]) / s.dimension(0), 2) < 1
    return matt(np.where(stripe, s.color, s.accent) * _dirt(s, s.local[2] * 0))
