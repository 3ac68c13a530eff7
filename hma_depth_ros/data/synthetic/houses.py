"""Houses: walls, roofs, chimneys, balconies, garages.

Object frame: origin on the ground in the middle of the front wall, x along the front, y from the
street into the house, z up.
"""

from __future__ import annotations

import numpy as np

from hma_depth_ros.data.synthetic.materials import Color, Label, Material, Pattern
from hma_depth_ros.data.synthetic.solids import Solid

_WALLS: tuple[Color, ...] = (
    (0.86, 0.84, 0.78), (0.80, 0.74, 0.62), (0.88, 0.80, 0.62), (0.78, 0.78, 0.76),
    (0.72, 0.60, 0.48), (0.83, 0.68, 0.58), (0.66, 0.72, 0.70), (0.90, 0.89, 0.86),
    (0.76, 0.55, 0.42), (0.62, 0.58, 0.52), (0.70, 0.74, 0.80), (0.85, 0.76, 0.44),
)
_BRICKS: tuple[Color, ...] = ((0.55, 0.30, 0.22), (0.48, 0.28, 0.22), (0.60, 0.42, 0.32))
_ROOFS: tuple[Color, ...] = (
    (0.52, 0.25, 0.17), (0.45, 0.22, 0.17), (0.36, 0.20, 0.16), (0.25, 0.23, 0.23),
    (0.33, 0.30, 0.29), (0.58, 0.33, 0.22),
)
_SHUTTERS: tuple[Color, ...] = (
    (0.20, 0.32, 0.22), (0.36, 0.22, 0.15), (0.70, 0.70, 0.68), (0.22, 0.28, 0.38),
)
STOREY = 2.8  #: metres from floor to floor


def house(
    rng: np.random.Generator, *, width: float, depth: float, storeys: int, flat: bool
) -> list[Solid]:
    """Return a house of its own: gable, hip or flat roof, and now and then something built on."""
    eaves = storeys * STOREY + rng.uniform(0.4, 0.9)
    walls = _wall_material(rng, width=width, depth=depth, eaves=eaves)
    if flat:
        parapet = Material(Label.BUILDING, _darker(walls.color, 0.8), dimensions=(width, depth, eaves))
        solids = [
            Solid.box(walls, (-width / 2, 0, 0), (width / 2, depth, eaves)),
            Solid.box(parapet, (-width / 2 - 0.12, -0.12, eaves),
                      (width / 2 + 0.12, depth + 0.12, eaves + rng.uniform(0.25, 0.6))),
        ]
    else:
        roof = _roof_material(rng)
        slope = rng.uniform(0.55, 1.0)
        kind = rng.choice(["along", "across", "hip"], p=[0.5, 0.3, 0.2])
        if kind == "hip":
            solids = _hip_house(walls, roof, width, depth, eaves, slope)
        elif kind == "along":
            solids = _gable_house(walls, roof, width, depth, eaves, slope, axis=0)
        else:
            solids = _gable_house(walls, roof, width, depth, eaves, slope, axis=1)
        solids += _chimney(rng, width, depth, eaves, slope)
    if storeys >= 2 and rng.random() < 0.35:
        solids += _balconies(rng, walls, width, storeys)
    if rng.random() < 0.4:
        solids += _canopy(rng, width)
    return solids


def garage(rng: np.random.Generator, *, width: float) -> list[Solid]:
    """Return a flat garage with its door to the street."""
    wall = Material(Label.BUILDING, _WALLS[rng.integers(len(_WALLS))], dimensions=(width, 6.0, 2.5))
    door = Material(Label.BUILDING, _SHUTTERS[rng.integers(len(_SHUTTERS))], Pattern.MASONRY,
                    accent=(0.3, 0.3, 0.3), dimensions=(0.0, 0.25, 0.0))
    edge = Material(Label.BUILDING, (0.35, 0.33, 0.32))
    return [
        Solid.box(wall, (-width / 2, 0, 0), (width / 2, 6, 2.4)),
        Solid.box(edge, (-width / 2 - 0.1, -0.15, 2.4), (width / 2 + 0.1, 6.1, 2.6)),
        Solid.box(door, (-width / 2 + 0.3, -0.04, 0.0), (width / 2 - 0.3, 0.1, 2.1)),
    ]


def _wall_material(
    rng: np.random.Generator, *, width: float, depth: float, eaves: float
) -> Material:
    brick = rng.random() < 0.15
    palette = _BRICKS if brick else _WALLS
    return Material(
        Label.BUILDING,
        palette[rng.integers(len(palette))],
        Pattern.FACADE,
        accent=_SHUTTERS[rng.integers(len(_SHUTTERS))],
        dimensions=(width, depth, eaves),
        seed=int(rng.integers(1 << 20)),
    )


def _roof_material(rng: np.random.Generator) -> Material:
    return Material(Label.BUILDING, _ROOFS[rng.integers(len(_ROOFS))], Pattern.ROOF)


def _darker(color: Color, factor: float) -> Color:
    r, g, b = color
    return (r * factor, g * factor, b * factor)


def _gable_house(
    walls: Material, roof: Material, width: float, depth: float, eaves: float, slope: float,
    *, axis: int,
) -> list[Solid]:
    """Walls up to the gables and two slabs of roof; the ridge runs along `axis`."""
    span, length = (depth, width) if axis == 0 else (width, depth)
    middle, start = (depth / 2, -width / 2) if axis == 0 else (0.0, 0.0)
    rise = span / 2 * slope
    half = span / 2
    body = [(middle - half, 0.0), (middle + half, 0.0), (middle + half, eaves),
            (middle, eaves + rise), (middle - half, eaves)]
    overhang, thickness = 0.4, 0.18
    solids = [Solid.prism(walls, body, start, start + length, axis=axis)]
    for side in (-1.0, 1.0):
        foot = (middle + side * (half + overhang), eaves - overhang * slope)
        ridge = (middle, eaves + rise)
        slab = [foot, ridge, (ridge[0], ridge[1] + thickness), (foot[0], foot[1] + thickness)]
        profile = slab if side < 0 else slab[::-1]
        solids.append(
            Solid.prism(roof, profile, start - overhang, start + length + overhang, axis=axis)
        )
    return solids


def _hip_house(
    walls: Material, roof: Material, width: float, depth: float, eaves: float, slope: float
) -> list[Solid]:
    """Box with a roof that slopes on all four sides."""
    over = 0.4
    x, low, high = width / 2 + over, -over, depth + over
    rise = (min(width, depth) / 2 + over) * slope
    bottom = eaves - 0.1
    planes = np.array([
        [slope, 0, 1, -slope * x - bottom],
        [-slope, 0, 1, -slope * x - bottom],
        [0, slope, 1, -slope * high - bottom],
        [0, -slope, 1, slope * low - bottom],
        [0, 0, -1, bottom],
    ])
    return [
        Solid.box(walls, (-width / 2, 0, 0), (width / 2, depth, eaves)),
        Solid.polyhedron(roof, planes, (-x, low, bottom), (x, high, bottom + rise)),
    ]


def _chimney(
    rng: np.random.Generator, width: float, depth: float, eaves: float, slope: float
) -> list[Solid]:
    top = eaves + min(width, depth) / 2 * slope + rng.uniform(0.2, 0.7)
    x = rng.uniform(-0.25, 0.25) * width
    y = depth / 2 + rng.uniform(-0.8, 0.8)
    brick = Material(Label.BUILDING, _BRICKS[rng.integers(len(_BRICKS))], Pattern.MASONRY,
                     accent=(0.5, 0.47, 0.44), dimensions=(0.24, 0.08, 0.0))
    return [Solid.box(brick, (x - 0.35, y - 0.25, eaves), (x + 0.35, y + 0.25, top))]


def _balconies(
    rng: np.random.Generator, walls: Material, width: float, storeys: int
) -> list[Solid]:
    reach, half = rng.uniform(0.9, 1.4), min(rng.uniform(1.2, 2.2), width / 2 - 0.5)
    x = rng.uniform(-1, 1) * (width / 2 - half - 0.2)
    slab = Material(Label.BUILDING, _darker(walls.color, 0.9))
    rail = Material(Label.BUILDING, walls.accent if rng.random() < 0.5 else (0.75, 0.75, 0.74))
    solids = []
    for storey in range(1, storeys):
        z = storey * STOREY + 0.35
        solids += [
            Solid.box(slab, (x - half, -reach, z - 0.16), (x + half, 0.0, z)),
            Solid.box(rail, (x - half, -reach, z), (x + half, -reach + 0.05, z + 0.95)),
            Solid.box(rail, (x - half, -reach, z), (x - half + 0.05, 0.0, z + 0.95)),
            Solid.box(rail, (x + half - 0.05, -reach, z), (x + half, 0.0, z + 0.95)),
        ]
    return solids


def _canopy(rng: np.random.Generator, width: float) -> list[Solid]:
    """Small roof over a door."""
    x = rng.uniform(-0.3, 0.3) * width
    slab = Material(Label.BUILDING, (0.42, 0.38, 0.36))
    return [Solid.box(slab, (x - 0.9, -1.0, 2.45), (x + 0.9, 0.0, 2.6))]
