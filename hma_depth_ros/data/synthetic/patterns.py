"""What each kind of surface looks like, from where on the object a ray met it.

Every function takes the places of one pattern and returns their `Paint`. Fine detail fades with the
footprint of the ray, which is all the texture filtering there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic.cutouts import flatten
from hma_depth_ros.data.synthetic.materials import Cutout, Pattern
from hma_depth_ros.data.synthetic.noise import Floats, cell_hash, noise
from hma_depth_ros.data.synthetic.surface import SolidSurface

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Paint:
    """Look of n places before light falls on them."""

    albedo: Floats  #: (3, n) linear
    gloss: Floats  #: (n) share of light mirrored at normal incidence
    leafy: bool = False  #: lets light through
    normal: Floats | None = None  #: (3, n) to be lit with, where it is not the surface's own


def rgb(red: float, green: float, blue: float) -> Floats:
    """Linear colour (3, 1) of an sRGB one."""
    return (np.array([[red], [green], [blue]], np.float32) ** np.float32(2.2)).astype(np.float32)


def _plain(s: SolidSurface) -> Paint:
    u, v = flatten(s.local, s.local_normal, s.seed)
    tone = 1 + 0.05 * noise(u, v, 0.4, s.footprint) + 0.04 * noise(u, v, 0.07, s.footprint)
    return Paint(s.color * tone, s.solids.gloss[s.solid])


def _facade(s: SolidSurface) -> Paint:
    """Rendered or painted wall with windows on every floor; dimensions: width, depth, eaves."""
    width, depth, eaves = s.dimension(0), s.dimension(1), s.dimension(2)
    to_front = np.abs(s.local_normal[1]) > np.abs(s.local_normal[0])
    wall = np.where(to_front, width, depth)
    u = np.where(to_front, s.local[0] + width / 2, s.local[1])
    v = s.local[2]
    side = (to_front * 2 + (s.local_normal.sum(axis=0) > 0)).astype(np.int64)
    seed = s.seed

    stain = noise(u + seed % 97, v, 2.3, s.footprint) + noise(u, v * 0.3, 0.5, s.footprint)
    grain = noise(u, v, 0.09, s.footprint) + noise(u + 3, v, 0.21, s.footprint)
    tone = 1 + 0.045 * stain + 0.03 * grain - 0.12 * np.exp(-v / 0.7)
    albedo = s.color * tone
    plinth_height = 0.35 + 0.5 * cell_hash(seed, 1)
    albedo = np.where(v < plinth_height, albedo * 0.62, albedo)

    storeys = np.maximum(np.floor(eaves / 2.8), 1)
    storey_height = (eaves - 0.35) / storeys
    storey = np.floor((v - 0.35) / storey_height)
    rise = v - 0.35 - storey * storey_height
    pitch = 2.2 + 1.1 * cell_hash(seed, 2)
    columns = np.maximum(np.round((wall - 0.6) / pitch), 1)
    cell = wall / columns
    column = np.floor(u / cell)
    off = np.abs(u - (column + 0.5) * cell)
    chance = cell_hash(seed, side, column.astype(np.int64), storey.astype(np.int64))
    gable = (v > eaves) & (np.abs(u - wall / 2) < 1.2)
    off = np.where(gable, np.abs(u - wall / 2), off)
    rise = np.where(gable, v - eaves + 0.6, rise)
    present = ((storey >= 0) & (storey < storeys) & (chance > 0.07)) | gable

    tall = 1.15 + 0.45 * cell_hash(seed, 3)
    half = np.minimum(0.42 + 0.35 * cell_hash(seed, 4) + 0.12 * (chance > 0.75), cell * 0.36)
    sill = np.float32(0.85)
    door = (storey == 0) & to_front & (s.local_normal[1] < 0) & (
        column == np.floor(columns * cell_hash(seed, 5))
    )
    sill = np.where(door, 0.0, sill)
    tall = np.where(door, 2.15, tall)
    half = np.where(door, 0.55, half)
    middle = sill + tall / 2
    inset = np.minimum(half - off, tall / 2 - np.abs(rise - middle))  # > 0 inside the opening

    shutters = (cell_hash(seed, 6) < 0.35) & ~door & ~gable
    beside = present & shutters & (off > half) & (off < half * 1.85)
    beside &= (rise > sill) & (rise < sill + tall)
    slats = 1 - 0.25 * (np.mod(rise, 0.08) < 0.03) * np.clip(2 - s.footprint * 40, 0, 1)
    albedo = np.where(beside, s.accent * slats, albedo)
    surround = present & (inset > -0.10) & (inset <= 0)
    albedo = np.where(surround & ~shutters, np.minimum(albedo * 1.18 + 0.03, 0.85), albedo)
    ledge = present & ~door & (off < half + 0.1) & (np.abs(rise - sill + 0.05) < 0.05)
    albedo = np.where(ledge, np.float32(0.32), albedo)

    opening = present & (inset > 0)
    cross = (off < 0.03) | (np.abs(rise - sill - 0.72 * tall) < 0.025)
    frame = opening & ((inset < 0.065) | (cross & ~door))
    pane = opening & ~frame
    curtain = np.clip((cell_hash(seed, column.astype(np.int64), storey.astype(np.int64), 9) - 0.55)
                      * 2, 0, 1) * (0.20 + 0.12 * np.sin(off * 38))
    blind = (chance > 0.80) & (rise - sill > tall * (1.9 - chance * 1.6))
    shade = np.clip((sill + tall - rise) / 0.35, 0.25, 1)  # the reveal's shadow under the lintel
    glass = (0.018 + curtain + np.where(blind, 0.35, 0.0)) * shade
    albedo = np.where(frame, np.where(door, s.accent * 0.6, 0.68) * shade, albedo)
    albedo = np.where(pane, np.where(door, s.accent * 0.8, glass), albedo)
    gloss = np.where(pane & ~door & ~blind, 0.09, 0.0)
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def _roof(s: SolidSurface) -> Paint:
    """Rows of tiles; x or y runs along the row, height tells the row."""
    along = np.where(np.abs(s.local_normal[0]) > np.abs(s.local_normal[1]), s.local[1], s.local[0])
    steep = np.sqrt(np.maximum(1 - s.local_normal[2] ** 2, 0.05))
    up = s.local[2] / steep
    row = np.floor(up / 0.32)
    column = np.floor(along / 0.24 + 0.5 * np.mod(row, 2))
    near = np.clip(2 - s.footprint / 0.06, 0, 1)
    lap = np.mod(up, 0.32) / 0.32
    tile = cell_hash(row.astype(np.int64), column.astype(np.int64), s.seed) - 0.5
    moss = noise(along, up, 1.7, s.footprint) + 0.6 * noise(along, up, 0.6, s.footprint)
    tone = 1 + near * (0.30 * tile - 0.45 * (lap < 0.12) + 0.12 * (lap - 0.5)) + 0.10 * moss
    tone *= 1 - 0.15 * near * (np.mod(along / 0.24 + 0.5 * np.mod(row, 2), 1) < 0.12)
    return Paint((s.color * np.maximum(tone, 0.1)).astype(np.float32), np.zeros_like(up))


def _masonry(s: SolidSurface) -> Paint:
    """Courses of bricks or stones; dimensions: length and height of one, 0 for a plain board."""
    length, height = np.maximum(s.dimension(0), 1e-3), np.maximum(s.dimension(1), 1e-3)
    main = np.abs(s.local_normal).argmax(axis=0)
    u = np.where(main == 0, s.local[1], s.local[0])
    v = np.where(main == 2, s.local[1], s.local[2])
    row = np.floor(v / height)
    shifted = u / length + 0.5 * np.mod(row, 2)
    column = np.where(s.dimension(0) > 0, np.floor(shifted), 0)
    joint_u = np.minimum(np.mod(shifted, 1), 1 - np.mod(shifted, 1)) * length
    joint_v = np.minimum(np.mod(v, height), height - np.mod(v, height))
    joint = np.where(s.dimension(0) > 0, np.minimum(joint_u, joint_v), joint_v)
    near = np.clip(2 - s.footprint / (0.35 * height), 0, 1)
    stone = cell_hash(row.astype(np.int64), column.astype(np.int64), s.seed) - 0.5
    tone = 1 + 0.35 * near * stone + 0.08 * noise(u, v, 1.3, s.footprint)
    tone += 0.06 * noise(u, v, 0.08, s.footprint) - 0.25 * np.exp(-np.maximum(s.local[2], 0) / 0.25)
    mortar = near * np.clip(1.5 - joint / 0.008, 0, 1)
    albedo = s.color * tone * (1 - mortar) + s.accent * mortar * 0.8
    return Paint(albedo.astype(np.float32), np.zeros_like(u))


def _foliage(s: SolidSurface) -> Paint:
    u, v = flatten(s.local, s.local_normal, s.seed)
    clumps = noise(u, v, 1.1, s.footprint) + 0.9 * noise(u + 9, v, 0.34, s.footprint)
    leaves = noise(u + 5, v, 0.13, s.footprint) + 0.8 * noise(u + 2, v, 0.055, s.footprint)
    tone = np.clip(1 + 0.20 * clumps + 0.38 * leaves, 0.15, 2.2)
    yellow = np.clip(0.12 * noise(u + 4, v, 2.2) + 0.10 * leaves, -0.3, 0.4)
    centre = s.solids.dimensions[s.solid, :3].T
    spray = s.solids.cutout[s.solid] == Cutout.SPRIGS
    outward = s.to_world(s.local - centre)
    outward /= np.sqrt((outward * outward).sum(axis=0)) + np.float32(1e-6)
    # Leaves point anywhere: roughen the round body, as far as the eye can tell.
    rough = np.stack([clumps, leaves, noise(u + 6, v, 0.34, s.footprint)]) * np.float32(0.45)
    normal = np.where(spray, outward, s.normal) + rough
    normal /= np.sqrt((normal * normal).sum(axis=0))
    hue = np.stack([1 + yellow, 1 + 0.35 * yellow, 1 - 0.7 * yellow])
    return Paint((s.color * tone * hue).astype(np.float32), np.zeros_like(u), leafy=True, normal=normal)


def _bark(s: SolidSurface) -> Paint:
    angle = np.arctan2(s.local_normal[1], s.local_normal[0])
    ridges = noise(angle * 0.3, s.local[2] * 0.25, 0.09, s.footprint)
    spots = noise(angle * 0.4, s.local[2], 0.5, s.footprint)
    tone = np.clip(1 + 0.35 * ridges + 0.2 * spots, 0.25, 2)
    return Paint((s.color * tone).astype(np.float32), np.zeros_like(angle))


def _car_body(s: SolidSurface) -> Paint:
    """Dimensions: length, width, wheel radius, front and rear axle, nose, tail and belt height."""
    x, y, z = s.local
    length, width, wheel = s.dimension(0), s.dimension(1), s.dimension(2)
    nose, tail, belt = s.dimension(5), s.dimension(6), s.dimension(7)
    flank = np.abs(s.local_normal[1]) > 0.75
    end = (np.abs(s.local_normal[0]) > 0.55) & (z < belt - 0.02)
    front, rear = end & (x > 0), end & (x < 0)
    across = np.abs(y) / (width / 2)

    albedo = s.color * np.ones_like(x)
    gloss = np.full_like(x, 0.05)
    trim = z < 0.30 + 0.06 * cell_hash(s.seed, 1)
    albedo = np.where(trim, np.float32(0.02), albedo)
    axle = np.where(x > 0, s.dimension(3), s.dimension(4))
    arch = flank & (np.hypot(x - axle, z - wheel) < wheel * 1.17)
    albedo = np.where(arch, np.float32(0.008), albedo)
    seam = flank & ~arch & ~trim & (
        (np.abs(x - 0.62) < 0.012) | (np.abs(x + 0.42) < 0.012) | (np.abs(x + 1.3 + 0.2 * z) < 0.01)
    )
    handle = flank & (np.abs(z - belt + 0.14) < 0.018) & (
        (np.abs(x + 0.25) < 0.09) | (np.abs(x + 1.12) < 0.09)
    )
    strip = flank & (np.abs(z - 0.55) < 0.03) & (cell_hash(s.seed, 2) < 0.4) & ~arch
    albedo = np.where(seam | handle | strip, albedo * 0.25, albedo)

    lamp_low = np.where(front, nose - 0.20, tail - 0.36)
    lamp_high = np.where(front, nose - 0.04, tail - 0.08)
    reach = np.where(front, 0.50, 0.62)
    near_end = np.abs(x) > length / 2 - 0.34
    lamp = near_end & (z > lamp_low) & (z < lamp_high) & (across > reach) & ~trim & (front | rear |
                                                                                     (flank))
    lit = rgb(0.80, 0.82, 0.84) * (0.6 + 0.4 * np.cos(y * 55))
    albedo = np.where(lamp & (x > 0), lit, albedo)
    red = np.where(z < lamp_low + 0.10, rgb(0.75, 0.33, 0.08), rgb(0.60, 0.03, 0.03))
    albedo = np.where(lamp & (x < 0), red, albedo)
    gloss = np.where(lamp, 0.08, gloss)
    grille = front & (across < 0.46) & (z > nose - 0.21) & (z < nose - 0.06)
    intake = front & (across < 0.62) & (z > 0.30) & (z < 0.42)
    albedo = np.where(grille | intake, np.float32(0.012), albedo)
    plate_z = np.where(front, 0.47, np.where(tail > 0.93, 0.74, 0.62))
    plate = (front | rear) & (np.abs(y) < 0.26) & (np.abs(z - plate_z) < 0.058)
    letters = (np.abs(z - plate_z) < 0.036) & (np.mod(y * 1.0, 0.065) < 0.036) & (np.abs(y) < 0.21)
    letters &= cell_hash(np.floor(y / 0.065).astype(np.int64), s.seed) < 0.85
    albedo = np.where(plate, np.where(letters, np.float32(0.03), np.float32(0.72)), albedo)
    bumper = (front | rear) & (np.abs(z - np.where(front, 0.55, 0.56)) < 0.012)
    albedo = np.where(bumper & ~plate, albedo * 0.4, albedo)
    matt = trim | arch | grille | intake | plate
    return Paint(albedo.astype(np.float32), np.where(matt, 0.0, gloss).astype(np.float32))


def _car_cabin(s: SolidSurface) -> Paint:
    """Dimensions: belt, height, x of windscreen foot and head, rear window head and foot, width."""
    x, y, z = s.local
    belt, height = s.dimension(0), s.dimension(1)
    share = np.clip((z - belt) / (height - belt), 0, 1)
    front = s.dimension(2) + (s.dimension(3) - s.dimension(2)) * share
    rear = s.dimension(5) + (s.dimension(4) - s.dimension(5)) * share
    flank = np.abs(s.local_normal[1]) > 0.8
    upright = (z > belt + 0.035) & (z < height - 0.115)
    pillar_b = np.abs(x + 0.42) < 0.045
    pillar_c = (np.abs(x + 1.34) < 0.05) & (rear < -1.55)
    side_glass = flank & upright & (x < front - 0.13) & (x > rear + 0.16) & ~pillar_b & ~pillar_c
    half = s.dimension(6) / 2 - 0.045 - 0.36 * (z - belt)
    screen = ~flank & (np.abs(s.local_normal[0]) > 0.4) & (np.abs(y) < half - 0.07)
    screen &= (z > belt + 0.03) & (z < height - 0.09)
    glass = side_glass | screen
    frame = flank & (z > belt - 0.1) & (z < height - 0.09) & ~glass
    frame &= (x < front - 0.07) & (x > rear + 0.05)
    # Through the glass: head rests and the far windows.
    seat = (np.mod(x + 0.35, 0.95) < 0.34) & (share < 0.55) & flank
    seat |= (np.abs(np.abs(y) - 0.36) < 0.14) & (share < 0.5) & screen
    inside = np.where(seat, 0.006, 0.022 + 0.05 * share)
    albedo = np.where(glass, inside, np.where(frame & (pillar_b | pillar_c), 0.012, s.color))
    gloss = np.where(glass, 0.11, 0.05)
    return Paint(albedo.astype(np.float32), gloss.astype(np.float32))


def _wheel(s: SolidSurface) -> Paint:
    """Dimensions: radius, x of the front and rear axle."""
    x, _, z = s.local
    wheel = s.dimension(0)
    axle = np.where(x > 0, s.dimension(1), s.dimension(2))
    dx, dz = x - axle, z - wheel
    r = np.hypot(dx, dz) / wheel
    side = np.abs(s.local_normal[1]) > 0.5
    angle = np.arctan2(dz, dx)
    spokes = np.floor(5 + 3 * cell_hash(s.seed, 3))
    gap = side & (r > 0.22) & (r < 0.60) & (np.cos(angle * spokes) > 0.35)
    rim = side & (r < 0.66)
    albedo = np.where(rim, np.where(gap, 0.012, s.accent * (0.7 + 0.3 * np.cos(r * 9))), s.color)
    return Paint(albedo.astype(np.float32), np.where(rim & ~gap, 0.05, 0.0).astype(np.float32))


def _sign(s: SolidSurface) -> Paint:
    """Dimensions: half width, height of the centre, kind (round, triangle, square, diamond)."""
    half, centre, kind = s.dimension(0), s.dimension(1), s.dimension(2)
    y, z = s.local[1] / half, (s.local[2] - centre) / half
    rim_round = np.hypot(y, z) > 0.78
    rim_triangle = (z < -0.80) | (np.abs(y) * 2 + z > 0.62)
    rim_square = (np.maximum(np.abs(y), np.abs(z)) > 0.90)
    rim_diamond = np.abs(y) + np.abs(z) > 0.72
    rim = np.select([kind == 0, kind == 1, kind == 2], [rim_round, rim_triangle, rim_square],
                    rim_diamond)
    glyph = (noise(y + 3 * (s.seed % 17), z, 0.8) > 0.35) & (np.hypot(y, z + 0.15 * (kind == 1))
                                                           < 0.42) & (kind < 3)
    mark = np.where(kind == 2, s.accent, np.float32(0.02))
    albedo = np.where(rim, s.accent, np.where(glyph, mark, s.color))
    back = s.local_normal[0] > -0.5
    return Paint(np.where(back, np.float32(0.22), albedo).astype(np.float32), np.full_like(y, 0.02))


_PAINTERS: dict[Pattern, Callable[[SolidSurface], Paint]] = {
    Pattern.PLAIN: _plain,
    Pattern.FACADE: _facade,
    Pattern.ROOF: _roof,
    Pattern.MASONRY: _masonry,
    Pattern.FOLIAGE: _foliage,
    Pattern.BARK: _bark,
    Pattern.CAR_BODY: _car_body,
    Pattern.CAR_CABIN: _car_cabin,
    Pattern.WHEEL: _wheel,
    Pattern.SIGN: _sign,
    Pattern.PICKETS: _plain,
}


def paint(pattern: Pattern, surface: SolidSurface) -> Paint:
    """Colour the places of one pattern."""
    return _PAINTERS[pattern](surface)
