"""What stands along a street: lamp posts, road signs, walls, fences, bollards, bins.

Object frame: origin on the ground, x along the street (walls and fences run along it), y away from
the carriageway, z up.
"""

from __future__ import annotations

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Cutout, Material, Pattern
from hma_depth_ros.synthetic.solids import Solid

_STONES: tuple[Color, ...] = (
    (0.62, 0.60, 0.56),
    (0.50, 0.30, 0.24),
    (0.56, 0.45, 0.36),
    (0.74, 0.73, 0.70),
    (0.45, 0.43, 0.41),
)
_FENCES: tuple[Color, ...] = ((0.36, 0.26, 0.18), (0.80, 0.80, 0.78), (0.20, 0.26, 0.20))


def _metal(rng: np.random.Generator) -> Material:
    grey = rng.uniform(0.3, 0.6)
    return Material(Label.POLE, (grey, grey, grey * 1.02), gloss=0.04)


def lamp_post(rng: np.random.Generator) -> list[Solid]:
    """Return a post with an arm over the carriageway."""
    metal = _metal(rng)
    head = Material(Label.POLE, (0.35, 0.36, 0.37))
    height, reach = rng.uniform(5.5, 9.0), rng.uniform(0.6, 2.0)
    tip = (0.0, -reach, height + 0.35)
    return [
        Solid.cylinder(metal, (0, 0, 0), (0, 0, 1.2), 0.09),
        Solid.cylinder(metal, (0, 0, 1.2), (0, 0, height), 0.06),
        Solid.cylinder(metal, (0, 0, height - 0.03), tip, 0.035),
        Solid.box(head, (-0.13, -reach - 0.5, height + 0.28), (0.13, -reach + 0.05, height + 0.42)),
    ]


def utility_pole(rng: np.random.Generator) -> list[Solid]:
    """Return a wooden pole with a cross-arm."""
    wood = Material(Label.POLE, (0.33, 0.27, 0.21), Pattern.BARK)
    height = rng.uniform(7.0, 9.5)
    return [
        Solid.cylinder(wood, (0, 0, 0), (0, 0, height), 0.13),
        Solid.box(wood, (-0.06, -0.9, height - 0.6), (0.06, 0.9, height - 0.48)),
    ]


#: Pattern.SIGN: kind of face and its two colours.
_SIGNS: tuple[tuple[int, Color, Color], ...] = (
    (0, (0.92, 0.92, 0.90), (0.72, 0.06, 0.06)),  # round with red rim: a limit or a ban
    (0, (0.10, 0.25, 0.60), (0.72, 0.06, 0.06)),  # no parking
    (1, (0.92, 0.92, 0.90), (0.72, 0.06, 0.06)),  # triangle: warning, give way
    (2, (0.10, 0.25, 0.60), (0.92, 0.92, 0.90)),  # square, blue: parking, crossing
    (3, (0.90, 0.72, 0.10), (0.92, 0.92, 0.90)),  # diamond: priority road
)


def road_sign(rng: np.random.Generator) -> list[Solid]:
    """Return a sign on a post, facing the traffic that comes from -x."""
    kind, color, rim = _SIGNS[rng.integers(len(_SIGNS))]
    half, centre = 0.32, rng.uniform(2.2, 2.6)
    face = Material(
        Label.TRAFFIC_SIGN,
        color,
        Pattern.SIGN,
        accent=rim,
        retro=0.8,
        dimensions=(half, centre, float(kind)),
        seed=int(rng.integers(1 << 20)),
    )
    x = (-0.075, -0.055)
    if kind == 0:
        plate = Solid.cylinder(face, (x[0], 0, centre), (x[1], 0, centre), half)
    else:
        outline = {
            1: [(-half, -half), (half, -half), (0.0, half)],
            2: [(-half, -half), (half, -half), (half, half), (-half, half)],
            3: [(0.0, -half), (half, 0.0), (0.0, half), (-half, 0.0)],
        }[kind]
        plate = Solid.prism(face, [(y, z + centre) for y, z in outline], *x, axis=0)
    return [Solid.cylinder(_metal(rng), (0, 0, 0), (0, 0, centre + half * 0.8), 0.035), plate]


def wall(rng: np.random.Generator, *, length: float, height: float) -> list[Solid]:
    """Return a garden wall with a coping."""
    color = _STONES[rng.integers(len(_STONES))]
    stones = Material(
        Label.WALL,
        color,
        Pattern.MASONRY,
        accent=(0.55, 0.53, 0.50),
        dimensions=(rng.uniform(0.22, 0.5), rng.uniform(0.07, 0.2)),
        seed=int(rng.integers(1 << 20)),
    )
    coping = Material(Label.WALL, (0.58, 0.56, 0.53))
    x = length / 2
    return [
        Solid.box(stones, (-x, -0.12, 0), (x, 0.12, height)),
        Solid.box(coping, (-x - 0.02, -0.17, height), (x + 0.02, 0.17, height + 0.07)),
    ]


def fence(rng: np.random.Generator, *, length: float, height: float) -> list[Solid]:
    """Return a picket fence on posts."""
    color = _FENCES[rng.integers(len(_FENCES))]
    pickets = Material(
        Label.FENCE,
        color,
        Pattern.PLAIN,
        cutout=Cutout.PICKETS,
        dimensions=(height,),
        seed=int(rng.integers(1 << 20)),
    )
    post = Material(Label.FENCE, color)
    x = length / 2
    solids = [Solid.box(pickets, (-x, -0.02, 0.06), (x, 0.02, height))]
    for along in np.linspace(-x, x, max(2, round(length / 2.5) + 1)):
        solids.append(
            Solid.box(post, (along - 0.05, -0.05, 0), (along + 0.05, 0.05, height + 0.06))
        )
    return solids


def bollard(rng: np.random.Generator) -> list[Solid]:
    """Return a roadside marker post: white with a black band."""
    white = Material(Label.POLE, (0.88, 0.88, 0.86), retro=0.2)
    black = Material(Label.POLE, (0.06, 0.06, 0.06))
    height = rng.uniform(0.85, 1.05)
    return [
        Solid.box(white, (-0.05, -0.06, 0), (0.05, 0.06, height)),
        Solid.box(black, (-0.055, -0.065, height * 0.72), (0.055, 0.065, height * 0.88)),
    ]


def dustbin(rng: np.random.Generator) -> list[Solid]:
    """Return a wheeled dustbin."""
    colors: tuple[Color, ...] = ((0.12, 0.12, 0.13), (0.10, 0.22, 0.12), (0.45, 0.36, 0.10))
    plastic = Material(Label.WALL, colors[rng.integers(len(colors))])
    return [
        Solid.prism(
            plastic, [(-0.24, 0), (0.24, 0), (0.30, 0.98), (-0.30, 0.98)], -0.27, 0.27, axis=0
        ),
        Solid.box(plastic, (-0.30, -0.33, 0.98), (0.30, 0.33, 1.06)),
    ]
