"""Which function colours which kind of surface.

All of them see only where on the object a ray met it. Fine detail fades with the footprint of the
ray, which is all the texture filtering there is.
"""

from __future__ import annotations

from collections.abc import Callable

from hma_depth_ros.synthetic import (
    pattern_building,
    pattern_car,
    pattern_lorry,
    pattern_plain,
    pattern_plant,
    pattern_structure,
)
from hma_depth_ros.synthetic.materials import Pattern
from hma_depth_ros.synthetic.paint import Paint
from hma_depth_ros.synthetic.surface import SolidSurface

_PAINTERS: dict[Pattern, Callable[[SolidSurface], Paint]] = {
    Pattern.PLAIN: pattern_plain.plain,
    Pattern.FACADE: pattern_building.facade,
    Pattern.ROOF: pattern_building.roof,
    Pattern.MASONRY: pattern_building.masonry,
    Pattern.FOLIAGE: pattern_plant.foliage,
    Pattern.BARK: pattern_plant.bark,
    Pattern.CAR_BODY: pattern_car.body,
    Pattern.CAR_CABIN: pattern_car.cabin,
    Pattern.WHEEL: pattern_car.wheel,
    Pattern.SIGN: pattern_plain.sign,
    Pattern.LIVERY: pattern_lorry.livery,
    Pattern.LORRY_CAB: pattern_lorry.cab,
    Pattern.BUS_BODY: pattern_lorry.bus,
    Pattern.HAZARD: pattern_lorry.hazard,
    Pattern.CONCRETE: pattern_structure.concrete,
    Pattern.TURF: pattern_structure.turf,
    Pattern.DIRECTIONS: pattern_structure.directions,
}


def paint(pattern: Pattern, surface: SolidSurface) -> Paint:
    """Colour the places of one pattern."""
    return _PAINTERS[pattern](surface)
