"""What things are made of, and the semantic class that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hma_depth_ros.data.semantic_labels import Label

Color = tuple[float, float, float]  #: sRGB in [0, 1], as one would pick it from a photograph


class Pattern(IntEnum):
    """Which function of `patterns.py` colours a surface."""

    PLAIN = 0
    FACADE = 1
    ROOF = 2
    MASONRY = 3
    FOLIAGE = 4
    BARK = 5
    CAR_BODY = 6
    CAR_CABIN = 7
    WHEEL = 8
    SIGN = 9
    LIVERY = 10
    LORRY_CAB = 11
    BUS_BODY = 12
    HAZARD = 13
    CONCRETE = 14
    TURF = 15
    DIRECTIONS = 16


class Cutout(IntEnum):
    """Which parts of a surface are holes; see `cutouts.py`."""

    NONE = 0
    LEAVES = 1  #: some gaps
    SPRIGS = 2  #: a spray of leaves, ragged towards its rim; dimensions: centre and radius
    PICKETS = 3  #: an upright board and a gap in turn; dimensions: height of the fence


@dataclass(frozen=True)
class Material:
    """Surface of a solid. What `accent` and `dimensions` mean is up to the pattern."""

    label: Label
    color: Color
    pattern: Pattern = Pattern.PLAIN
    accent: Color = (0.5, 0.5, 0.5)
    dimensions: tuple[float, ...] = ()  #: up to 8 measures of the object, mostly metres
    gloss: float = 0.0  #: share of the light mirrored at normal incidence
    retro: float = 0.0  #: share of the LiDAR's light thrown straight back (signs, plates)
    cutout: Cutout = Cutout.NONE
    seed: int = 0  #: varies the pattern from one object to the next
