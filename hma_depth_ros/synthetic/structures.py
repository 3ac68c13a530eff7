"""What large roads have: guard rails, barriers, noise walls, sign gantries, bridges across.

Object frame of rails and walls: origin on the ground, x along the road, y away from it, z up; they
come in pieces, so that they can follow a bend. Gantries and bridges: origin in the middle of the
road, x along it, y left.
"""

from __future__ import annotations

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Material, Pattern
from hma_depth_ros.synthetic.solids import Solid

_STEEL: Color = (0.58, 0.59, 0.60)
_DAM = 70.0  #: metres from the road's middle at which a bridge's embankments end


def _concrete(
    rng: np.random.Generator, label: Label, *, top: float, panel: tuple[float, float] = (4.0, 1.2)
) -> Material:
    grey = rng.uniform(0.48, 0.70)
    return Material(
        label,
        (grey, grey * 0.985, grey * 0.95),
        Pattern.CONCRETE,
        dimensions=(*panel, top),
        seed=int(rng.integers(1 << 20)),
    )


def guard_rail(*, length: float) -> list[Solid]:
    """Return steel beams with their wave on posts, on the side of the road."""
    steel = Material(Label.GUARD_RAIL, _STEEL, gloss=0.03, retro=0.02)
    post = Material(Label.GUARD_RAIL, (0.45, 0.46, 0.46))
    x = length / 2 + 0.02
    solids = [
        Solid.box(steel, (-x, -0.02, 0.44), (x, 0.0, 0.75)),
        Solid.prism(steel, [(-0.02, 0.46), (-0.02, 0.57), (-0.08, 0.515)], -x, x, axis=0),
        Solid.prism(steel, [(-0.02, 0.62), (-0.02, 0.73), (-0.08, 0.675)], -x, x, axis=0),
    ]
    for along in np.arange(-length / 2, length / 2 - 0.1, 4.0).tolist():
        solids.append(Solid.box(post, (along - 0.04, 0.0, 0.0), (along + 0.04, 0.1, 0.72)))
    return solids


def barrier(rng: np.random.Generator, *, length: float, height: float) -> list[Solid]:
    """Return a concrete safety barrier, wider at its foot."""
    skin = _concrete(rng, Label.WALL, top=height, panel=(length, 9.0))
    x = length / 2 + 0.02
    foot = [(-0.30, 0.0), (0.30, 0.0), (0.30, 0.08), (0.15, 0.30), (-0.15, 0.30), (-0.30, 0.08)]
    top = [(-0.17, 0.28), (0.17, 0.28), (0.09, height), (-0.09, height)]
    return [Solid.prism(skin, foot, -x, x, axis=0), Solid.prism(skin, top, -x, x, axis=0)]


def noise_wall(
    rng: np.random.Generator, *, length: float, height: float, kind: int, color: Color
) -> list[Solid]:
    """Return a wall of concrete (kind 0), of coloured sheets (1) or of boards (2) between posts."""
    if kind == 0:
        skin = _concrete(rng, Label.WALL, top=height, panel=(4.0, 1.0))
    else:
        skin = Material(
            Label.WALL,
            color,
            Pattern.MASONRY,
            accent=(0.25, 0.25, 0.24),
            dimensions=(0.0, 0.5 if kind == 1 else 0.14),
            seed=int(rng.integers(1 << 20)),
        )
    post = Material(Label.WALL, (0.42, 0.43, 0.43))
    x = length / 2
    solids = [Solid.box(skin, (-x - 0.02, -0.08, 0), (x + 0.02, 0.08, height))]
    for along in np.arange(-x, x - 0.1, 4.0).tolist():
        solids.append(
            Solid.box(post, (along - 0.09, -0.13, 0), (along + 0.09, 0.13, height + 0.05))
        )
    return solids


_BOARDS: tuple[tuple[Color, Color], ...] = (
    ((0.08, 0.22, 0.58), (0.92, 0.92, 0.90)),
    ((0.08, 0.38, 0.22), (0.92, 0.92, 0.90)),
    ((0.90, 0.90, 0.88), (0.05, 0.05, 0.05)),
    ((0.88, 0.72, 0.10), (0.05, 0.05, 0.05)),
)


def gantry(rng: np.random.Generator, *, left: float, right: float, lane: float) -> list[Solid]:
    """Return a frame across the road from y `right` to `left`, with boards over our lanes.

    Lanes are `lane` metres wide, on the right of the middle.
    """
    steel = Material(Label.POLE, _STEEL, gloss=0.03)
    height, thick = rng.uniform(5.6, 6.6), rng.uniform(0.14, 0.24)
    solids = [
        Solid.box(steel, (-thick, y - thick, 0), (thick, y + thick, height)) for y in (left, right)
    ]
    for z in (height - 0.12, height - 1.0):
        solids.append(Solid.box(steel, (-0.09, right, z), (0.09, left, z + 0.12)))
    for y in np.arange(right, left, 1.5).tolist():
        solids.append(
            Solid.cylinder(steel, (0, y, height - 0.95), (0, y + 0.75, height - 0.05), 0.04)
        )
    field, ink = _BOARDS[rng.choice(len(_BOARDS), p=[0.45, 0.2, 0.2, 0.15])]
    y = -0.3
    while y - lane * 0.9 > right:
        width = lane * rng.uniform(0.7, 0.95)
        if y - 2 * lane > right and rng.random() < 0.4:
            width += lane
        if rng.random() < 0.85:
            low = height - rng.uniform(1.2, 1.6)
            high = low + rng.uniform(1.6, 2.8)
            face = Material(
                Label.TRAFFIC_SIGN,
                field,
                Pattern.DIRECTIONS,
                accent=ink,
                retro=0.7,
                dimensions=(y, y - width, low, high),
                seed=int(rng.integers(1 << 20)),
            )
            solids.append(Solid.box(face, (-0.32, y - width, low), (-0.24, y, high)))
        y -= width + rng.uniform(0.2, 0.6)
    return solids


def bridge(rng: np.random.Generator, *, half_road: float, divided: bool) -> list[Solid]:
    """Return a bridge over the road: deck, railings, abutments or pillars, embankments.

    The road, with what belongs to it, is free up to `half_road` on either side. The bridge rests on
    walls there, or on pillars, behind which the embankments slope down to the road.
    """
    clearance, thick = rng.uniform(4.7, 5.8), rng.uniform(0.9, 1.7)
    half = rng.uniform(2.5, 9.0)  # of the deck, along our road
    top = clearance + thick
    sloped = rng.random() < 0.5
    gradient = rng.uniform(1.2, 1.6)
    foot = half_road + (rng.uniform(1.6, 4.0) if sloped else rng.uniform(0.3, 2.0))
    span = foot + gradient * clearance if sloped else foot
    deck = _concrete(rng, Label.BRIDGE, top=top, panel=(rng.uniform(3, 8), 9.0))
    stone = _concrete(rng, Label.BRIDGE, top=clearance, panel=(rng.uniform(1.5, 4), 1.2))
    edge = half + rng.uniform(0.15, 0.45)
    solids = [
        Solid.box(deck, (-half, -span - 1.0, clearance), (half, span + 1.0, top)),
        Solid.box(deck, (-edge, -_DAM, top - 0.35), (edge, _DAM, top)),
    ]
    if rng.random() < 0.4:  # beams under the deck
        beams = int(rng.integers(3, 7))
        for x in np.linspace(-half + 0.4, half - 0.4, beams).tolist():
            low = (x - 0.25, -span - 0.5, clearance - 0.5)
            solids.append(Solid.box(stone, low, (x + 0.25, span + 0.5, clearance)))
    grass = Material(Label.TERRAIN, (0.30 + rng.uniform(0, 0.08), 0.36, 0.18), Pattern.TURF)
    flank = half + top * 1.5
    profile = [(-flank, 0.0), (flank, 0.0), (half, top - 0.4), (-half, top - 0.4)]
    for side in (-1, 1):
        solids += _railing(rng, side * (edge - 0.1), top, _DAM)
        if sloped:
            solids.append(_sloped_dam(grass, side, foot, gradient, (half, top - 0.4)))
            continue
        near, middle, far = (side * y for y in (span, span + 0.7, _DAM))
        wing = Solid.prism(stone, profile, min(near, middle), max(near, middle), axis=1)
        dam = Solid.prism(grass, profile, min(middle, far), max(middle, far), axis=1)
        y = sorted((near - side * 0.05, middle))
        wall = Solid.box(stone, (-half - 0.1, y[0], 0), (half + 0.1, y[1], clearance))
        solids += [wing, dam, wall]
    rows = [side * (half_road + 0.6) for side in (-1, 1)] if sloped else []
    solids += _pillars(rng, stone, half, clearance, [*rows, *([0.0] if divided else [])])
    return solids


def _sloped_dam(
    grass: Material, side: int, foot: float, gradient: float, crown: tuple[float, float]
) -> Solid:
    """Dam that begins `foot` metres from the road's middle and slopes up on three sides.

    `crown` is half the width of the top, and its height.
    """
    half, top = crown
    planes = np.array(
        [
            [0, 0, 1, -top],
            [0, 0, -1, 0],
            [1, 0, 1.5, -half - 1.5 * top],
            [-1, 0, 1.5, -half - 1.5 * top],
            [0, -side, gradient, foot],
            [0, side, 0, -_DAM],
        ]
    )
    y = sorted((side * foot, side * _DAM))
    flank = half + 1.5 * top
    return Solid.polyhedron(grass, planes, (-flank, y[0], 0), (flank, y[1], top))


def _railing(rng: np.random.Generator, x: float, foot: float, end: float) -> list[Solid]:
    """Parapet, or pickets with a handrail."""
    height = rng.uniform(0.9, 1.2)
    if rng.random() < 0.5:
        skin = _concrete(rng, Label.BRIDGE, top=foot + height, panel=(5.0, 9.0))
        return [Solid.box(skin, (x - 0.1, -end, foot), (x + 0.1, end, foot + height))]
    grey = rng.uniform(0.25, 0.6)
    steel = Material(Label.BRIDGE, (grey, grey * 1.02, grey), gloss=0.02)
    solids = [
        Solid.box(steel, (x - 0.03, -end, foot + z), (x + 0.03, end, foot + z + 0.06))
        for z in (0.1, height / 2, height)
    ]
    for y in np.arange(-24.0, 24.1, 2.0).tolist():
        post = (x - 0.03, y - 0.03, foot), (x + 0.03, y + 0.03, foot + height)
        solids.append(Solid.box(steel, *post))
    return solids


def _pillars(
    rng: np.random.Generator, stone: Material, half: float, height: float, rows: list[float]
) -> list[Solid]:
    """Rows of round pillars, or one wall each."""
    solids = []
    radius = rng.uniform(0.3, 0.5)
    round_ = rng.random() < 0.6
    for y in rows:
        if round_:
            for x in np.linspace(-half + 0.8, half - 0.8, max(2, round(half / 1.8))).tolist():
                solids.append(Solid.cylinder(stone, (x, y, 0), (x, y, height), radius))
        else:
            low, high = (-half + 0.5, y - radius, 0), (half - 0.5, y + radius, height)
            solids.append(Solid.box(stone, low, high))
    return solids
