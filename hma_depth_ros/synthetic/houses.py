"""Houses: walls, roofs, chimneys, balconies, garages.

Object frame: origin on the ground in the middle of the front wall, x along the front, y from the
street into the house, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Material, Pattern
from hma_depth_ros.synthetic.solids import Solid

_WALLS: tuple[Color, ...] = (
    (0.86, 0.84, 0.79),
    (0.80, 0.76, 0.68),
    (0.86, 0.80, 0.67),
    (0.78, 0.78, 0.76),
    (0.70, 0.62, 0.54),
    (0.81, 0.71, 0.64),
    (0.66, 0.71, 0.69),
    (0.90, 0.89, 0.86),
    (0.73, 0.59, 0.50),
    (0.62, 0.59, 0.54),
    (0.70, 0.73, 0.77),
    (0.83, 0.77, 0.58),
)
_BRICKS: tuple[Color, ...] = ((0.55, 0.30, 0.22), (0.48, 0.28, 0.22), (0.60, 0.42, 0.32))
_ROOFS: tuple[Color, ...] = (
    (0.52, 0.25, 0.17),
    (0.45, 0.22, 0.17),
    (0.36, 0.20, 0.16),
    (0.25, 0.23, 0.23),
    (0.33, 0.30, 0.29),
    (0.58, 0.33, 0.22),
)
_SHUTTERS: tuple[Color, ...] = (
    (0.20, 0.32, 0.22),
    (0.36, 0.22, 0.15),
    (0.70, 0.70, 0.68),
    (0.22, 0.28, 0.38),
)
STOREY = 2.8  #: metres from floor to floor
_OVERHANG = 0.4  #: metres that a roof reaches beyond the walls


@dataclass(frozen=True)
class _Size:
    """Of a house, metres."""

    width: float
    depth: float
    eaves: float
    slope: float  #: of the roof, rise per length


def house(
    rng: np.random.Generator, *, width: float, depth: float, storeys: int, flat: bool
) -> list[Solid]:
    """Return a house: gable, hip or flat roof, and now and then something built on."""
    size = _Size(width, depth, storeys * STOREY + rng.uniform(0.4, 0.9), rng.uniform(0.55, 1.0))
    walls = _wall_material(rng, size)
    if flat:
        solids = _flat_house(rng, walls, size)
    else:
        roof = Material(Label.BUILDING, _ROOFS[rng.integers(len(_ROOFS))], Pattern.ROOF)
        kind = rng.choice(["along", "across", "hip"], p=[0.5, 0.3, 0.2])
        if kind == "hip":
            solids = _hip_house(walls, roof, size)
        else:
            solids = _gable_house(walls, roof, size, axis=0 if kind == "along" else 1)
        solids += _chimney(rng, size)
    if storeys >= 2 and rng.random() < 0.35:
        solids += _balconies(rng, walls, width, storeys)
    if rng.random() < 0.4:
        solids += _canopy(rng, width)
    return solids


def garage(rng: np.random.Generator, *, width: float) -> list[Solid]:
    """Return a flat garage with its door to the street."""
    wall = Material(
        Label.BUILDING,
        _WALLS[rng.integers(len(_WALLS))],
    )
    door = Material(
        Label.BUILDING,
        _SHUTTERS[rng.integers(len(_SHUTTERS))],
        Pattern.MASONRY,
        accent=(0.3, 0.3, 0.3),
        dimensions=(0.0, 0.25),
    )
    edge = Material(Label.BUILDING, (0.35, 0.33, 0.32))
    return [
        Solid.box(wall, (-width / 2, 0, 0), (width / 2, 6, 2.4)),
        Solid.box(edge, (-width / 2 - 0.1, -0.15, 2.4), (width / 2 + 0.1, 6.1, 2.6)),
        Solid.box(door, (-width / 2 + 0.3, -0.04, 0.0), (width / 2 - 0.3, 0.1, 2.1)),
    ]


def _wall_material(rng: np.random.Generator, size: _Size) -> Material:
    palette = _BRICKS if rng.random() < 0.15 else _WALLS
    return Material(
        Label.BUILDING,
        palette[rng.integers(len(palette))],
        Pattern.FACADE,
        accent=_SHUTTERS[rng.integers(len(_SHUTTERS))],
        dimensions=(size.width, size.depth, size.eaves),
        seed=int(rng.integers(1 << 20)),
    )


def _darker(color: Color, factor: float) -> Color:
    r, g, b = color
    return (r * factor, g * factor, b * factor)


def _flat_house(rng: np.random.Generator, walls: Material, size: _Size) -> list[Solid]:
    parapet = Material(Label.BUILDING, _darker(walls.color, 0.8))
    x, y, z = size.width / 2, size.depth, size.eaves
    top = z + rng.uniform(0.25, 0.6)
    return [
        Solid.box(walls, (-x, 0, 0), (x, y, z)),
        Solid.box(parapet, (-x - 0.12, -0.12, z), (x + 0.12, y + 0.12, top)),
    ]


def _gable_house(walls: Material, roof: Material, size: _Size, *, axis: int) -> list[Solid]:
    """Walls up to the gables and two slabs of roof; the ridge runs along `axis`."""
    if axis == 0:
        half, middle, ends = size.depth / 2, size.depth / 2, (-size.width / 2, size.width / 2)
    else:
        half, middle, ends = size.width / 2, 0.0, (0.0, size.depth)
    ridge = size.eaves + half * size.slope
    body = [
        (middle - half, 0.0),
        (middle + half, 0.0),
        (middle + half, size.eaves),
        (middle, ridge),
        (middle - half, size.eaves),
    ]
    solids = [Solid.prism(walls, body, *ends, axis=axis)]
    thickness = 0.18
    foot = size.eaves - _OVERHANG * size.slope
    for side in (-1, 1):
        edge = middle + side * (half + _OVERHANG)
        slab = [
            (edge, foot),
            (middle, ridge),
            (middle, ridge + thickness),
            (edge, foot + thickness),
        ]
        counter_clockwise = slab if side < 0 else slab[::-1]
        start, end = ends[0] - _OVERHANG, ends[1] + _OVERHANG
        solids.append(Solid.prism(roof, counter_clockwise, start, end, axis=axis))
    return solids


def _hip_house(walls: Material, roof: Material, size: _Size) -> list[Solid]:
    """Box with a roof that slopes on all four sides."""
    x, low, high = size.width / 2 + _OVERHANG, -_OVERHANG, size.depth + _OVERHANG
    slope, bottom = size.slope, size.eaves - 0.1
    top = bottom + (min(size.width, size.depth) / 2 + _OVERHANG) * slope
    planes = np.array(
        [
            [slope, 0, 1, -slope * x - bottom],
            [-slope, 0, 1, -slope * x - bottom],
            [0, slope, 1, -slope * high - bottom],
            [0, -slope, 1, slope * low - bottom],
            [0, 0, -1, bottom],
        ]
    )
    return [
        Solid.box(walls, (-size.width / 2, 0, 0), (size.width / 2, size.depth, size.eaves)),
        Solid.polyhedron(roof, planes, (-x, low, bottom), (x, high, top)),
    ]


def _chimney(rng: np.random.Generator, size: _Size) -> list[Solid]:
    top = size.eaves + min(size.width, size.depth) / 2 * size.slope + rng.uniform(0.2, 0.7)
    x, y = rng.uniform(-0.25, 0.25) * size.width, size.depth / 2 + rng.uniform(-0.8, 0.8)
    brick = Material(
        Label.BUILDING,
        _BRICKS[rng.integers(len(_BRICKS))],
        Pattern.MASONRY,
        accent=(0.5, 0.47, 0.44),
        dimensions=(0.24, 0.08),
    )
    return [Solid.box(brick, (x - 0.35, y - 0.25, size.eaves), (x + 0.35, y + 0.25, top))]


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
