"""Trees, bushes and hedges: clouds of leafy ellipsoids on trunks.

Object frame: origin on the ground, z up; hedges run along x.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Cutout, Material, Pattern
from hma_depth_ros.synthetic.solids import Doubles, Solid, Vector

_LEAVES: tuple[Color, ...] = (
    (0.26, 0.34, 0.12),
    (0.22, 0.31, 0.13),
    (0.31, 0.37, 0.14),
    (0.18, 0.27, 0.12),
    (0.34, 0.37, 0.13),
    (0.24, 0.33, 0.17),
    (0.43, 0.36, 0.12),
    (0.40, 0.28, 0.12),
)
_LEAF_FREQUENCY = (0.2, 0.2, 0.16, 0.16, 0.1, 0.1, 0.05, 0.03)
_NEEDLES: tuple[Color, ...] = ((0.12, 0.20, 0.11), (0.15, 0.22, 0.14), (0.17, 0.24, 0.12))


def _leaves(rng: np.random.Generator, *, needles: bool = False) -> Material:
    color = (
        _NEEDLES[rng.integers(len(_NEEDLES))]
        if needles
        else _LEAVES[rng.choice(len(_LEAVES), p=_LEAF_FREQUENCY)]
    )
    brightness = rng.uniform(0.85, 1.15)
    r, g, b = (channel * brightness for channel in color)
    return Material(
        Label.VEGETATION,
        (r, g, b),
        Pattern.FOLIAGE,
        cutout=Cutout.LEAVES,
        seed=int(rng.integers(1 << 20)),
    )


def _another(leaves: Material, rng: np.random.Generator) -> Material:
    """Leaves of the same plant in another place: other gaps, a slightly other tone."""
    tone = rng.uniform(0.86, 1.14)
    r, g, b = leaves.color
    return replace(leaves, color=(r * tone, g * tone, b * tone), seed=int(rng.integers(1 << 20)))


def _puff(leaves: Material, rng: np.random.Generator, centre: Vector, radii: Vector) -> list[Solid]:
    """Return a cluster of leaves: a round body, and a flat spray of leaves through its middle.

    The spray makes the outline ragged. It stands across the x axis, and plants are not turned when
    they are put along a street, so that a camera on the road sees it from the front.
    """
    body = _another(leaves, rng)
    centre, radii = np.asarray(centre, float), np.asarray(radii, float)
    reach = float(radii.mean()) * 1.45
    x, y, z = centre.tolist()
    sprigs = replace(body, cutout=Cutout.SPRIGS, dimensions=(x, y, z, reach), seed=body.seed + 1)
    return [
        Solid.ellipsoid(body, centre, radii * 0.82),
        Solid.disc(sprigs, centre, reach, facing=(1.0, *rng.normal(0, 0.45, 2))),
    ]


def _shaded(leaves: Material) -> Material:
    """Return the dark, closed inside of a crown."""
    r, g, b = leaves.color
    return replace(leaves, color=(r * 0.6, g * 0.6, b * 0.6), cutout=Cutout.NONE)


def _bark(rng: np.random.Generator) -> Material:
    grey = rng.uniform(0.24, 0.38)
    return Material(Label.VEGETATION, (grey, grey * 0.88, grey * 0.74), Pattern.BARK)


def broadleaf(rng: np.random.Generator, *, height: float) -> list[Solid]:
    """Return a tree with a round, tall or lopsided crown."""
    leaves, bark = _leaves(rng), _bark(rng)
    radius = height * rng.uniform(0.22, 0.36)
    clear = min(height * rng.uniform(0.15, 0.32), 3.2)
    middle = np.array([*rng.uniform(-0.08, 0.08, 2) * height, (height + clear) / 2])
    reach = np.array([*radius * rng.uniform(0.85, 1.15, 2), (height - clear) / 2])
    girth = 0.08 + 0.016 * height
    fork = np.array([middle[0] * 0.5, middle[1] * 0.5, clear * 1.15])
    solids = [
        Solid.cylinder(bark, (0, 0, -0.1), fork, girth),
        Solid.cylinder(bark, fork - [0, 0, 0.05], middle, girth * 0.75),
        Solid.ellipsoid(_shaded(leaves), middle, reach * 0.52),
    ]
    puffs = _puffs(rng, middle, reach, count=int(rng.integers(18, 28)))
    for centre in puffs[rng.permutation(len(puffs))[:4]]:
        solids.append(Solid.cylinder(bark, fork - [0, 0, 0.15], centre, girth * 0.4))
    size = reach.min() * rng.uniform(0.36, 0.48)
    for centre in puffs:
        radii = size * rng.uniform(0.6, 1.35) * rng.uniform(0.8, 1.15, 3)
        solids += _puff(leaves, rng, centre, radii)
    return solids


def conifer(rng: np.random.Generator, *, height: float) -> list[Solid]:
    """Return a fir: tiers of ever smaller branches."""
    needles = _leaves(rng, needles=True)
    radius = height * rng.uniform(0.15, 0.24)
    foot = height * rng.uniform(0.04, 0.12)
    tiers = int(rng.integers(8, 13))
    solids = [Solid.cylinder(_bark(rng), (0, 0, -0.1), (0, 0, height * 0.8), 0.06 + 0.012 * height)]
    for share in np.linspace(0, 1, tiers).tolist():
        width = radius * (1 - share) ** 0.85 + 0.15
        z = foot + (height - foot) * share * 0.97
        tilt = rng.uniform(-0.12, 0.12, 2) * width
        thick = (height - foot) / tiers * 0.95
        centre = (tilt[0], tilt[1], z + thick * 0.4)
        solids += _puff(needles, rng, centre, (width, width, thick))
    return solids


def bush(rng: np.random.Generator, *, size: float) -> list[Solid]:
    """Return a shrub as wide and nearly as high as `size`."""
    leaves = _leaves(rng)
    solids = []
    for _ in range(int(rng.integers(3, 7))):
        x, y = rng.uniform(-0.4, 0.4, 2) * size
        r = size * rng.uniform(0.22, 0.36)
        solids += _puff(leaves, rng, (x, y, r * rng.uniform(0.6, 1.4)), (r, r, r * 0.9))
    return solids


def hedge(rng: np.random.Generator, *, length: float, height: float) -> list[Solid]:
    """Return a trimmed hedge: a leafy box around a dark one, with some growth out of line."""
    leaves = _leaves(rng)
    x, y = length / 2, rng.uniform(0.3, 0.5)
    solids = [
        Solid.box(leaves, (-x, -y, 0), (x, y, height)),
        Solid.box(_shaded(leaves), (-x + 0.12, -y + 0.12, 0), (x - 0.12, y - 0.12, height - 0.12)),
    ]
    for along in np.arange(-x + 0.4, x - 0.3, 1.1).tolist():
        r = rng.uniform(0.35, 0.6)
        centre = (along + rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15) * y, height - r * 0.6)
        solids += _puff(leaves, rng, centre, (r * 1.3, y + rng.uniform(-0.05, 0.12), r))
    return solids


def grove(rng: np.random.Generator, *, length: float, height: float) -> list[Solid]:
    """Return a stretch of wood edge: overlapping crowns from the ground to the tops.

    Coarser than single trees, for woods at the roadside and for the far end of the view.
    """
    solids = []
    bark = _bark(rng)
    for x in np.arange(-length / 2, length / 2, height * 0.28).tolist():
        leaves = _leaves(rng, needles=rng.random() < 0.15)
        top = height * rng.uniform(0.7, 1.1)
        y = rng.uniform(0, height * 0.25)
        solids.append(
            Solid.cylinder(bark, (x, y, 0), (x + rng.uniform(-0.5, 0.5), y, top * 0.7), 0.2)
        )
        if abs(x) < length / 2 - height * 0.3:  # behind the crowns, but not at the wood's ends
            inside = (x, y + 0.9, top * 0.45), (height * 0.11, 0.4, top * 0.4)
            solids.append(Solid.ellipsoid(_shaded(leaves), *inside))
        for share in (0.12, 0.3, 0.5, 0.68, 0.85):
            r = height * rng.uniform(0.13, 0.22)
            centre = (
                x + rng.uniform(-0.12, 0.12) * height,
                y - r * 0.3 + rng.uniform(-0.08, 0.08) * height,
                share * top,
            )
            solids += _puff(leaves, rng, centre, (r, r, r * rng.uniform(0.8, 1.1)))
    return solids


def hill(rng: np.random.Generator, *, width: float, height: float) -> list[Solid]:
    """Return a wooded hill, so far away that single trees do not show."""
    return [Solid.ellipsoid(_shaded(_leaves(rng)), (0, 0, 0), (width / 2, width / 2, height))]


def _puffs(rng: np.random.Generator, middle: Doubles, reach: Doubles, *, count: int) -> Doubles:
    """Centres (count, 3) spread evenly over the shell of an ellipsoid, a little inside it."""
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    shell = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1
    )
    depth = rng.uniform(0.42, 0.86, (count, 1))
    return np.asarray(middle + shell * depth * reach + rng.normal(0, 0.09, (count, 3)) * reach)
