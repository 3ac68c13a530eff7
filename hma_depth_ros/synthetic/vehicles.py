"""Cars and vans: body, cabin, wheels, mirrors.

Object frame: origin on the ground below the middle of the car, x forward, y left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Material, Pattern
from hma_depth_ros.synthetic.solids import Doubles, Solid

_PAINTS: tuple[Color, ...] = (
    (0.75, 0.76, 0.77),
    (0.55, 0.57, 0.59),
    (0.09, 0.09, 0.10),
    (0.06, 0.06, 0.07),
    (0.88, 0.88, 0.87),
    (0.62, 0.08, 0.07),
    (0.10, 0.16, 0.36),
    (0.16, 0.28, 0.48),
    (0.25, 0.27, 0.29),
    (0.10, 0.22, 0.16),
    (0.55, 0.49, 0.40),
    (0.38, 0.42, 0.46),
)
WHEEL_WIDTH = 0.21


@dataclass(frozen=True)
class CarShape:
    """Side view of a car, metres from its middle and from the ground."""

    length: float
    width: float
    height: float
    belt: float  #: height of the window line
    nose: float  #: height of the bonnet's front edge
    windscreen_foot: float  #: x where bonnet and windscreen meet
    windscreen_head: float  #: x where windscreen and roof meet
    rear_head: float  #: x where roof and rear window meet
    rear_foot: float  #: x where rear window meets boot or tail
    tail: float  #: height of the boot's rear edge
    wheel: float  #: radius


#: From estate to van; lengths are scaled by some percent from one car to the next.
SHAPES: dict[str, CarShape] = {
    "hatchback": CarShape(3.95, 1.72, 1.47, 0.95, 0.74, 0.98, 0.25, -1.55, -1.90, 0.95, 0.30),
    "saloon": CarShape(4.55, 1.78, 1.43, 0.94, 0.72, 1.05, 0.30, -0.95, -1.62, 0.98, 0.32),
    "estate": CarShape(4.65, 1.78, 1.48, 0.95, 0.73, 1.10, 0.35, -1.85, -2.22, 0.95, 0.32),
    "minivan": CarShape(4.40, 1.82, 1.68, 1.02, 0.84, 1.38, 0.55, -1.85, -2.12, 1.02, 0.33),
    "offroad": CarShape(4.55, 1.88, 1.75, 1.10, 0.98, 0.98, 0.45, -1.95, -2.18, 1.10, 0.37),
    "van": CarShape(4.95, 1.92, 1.98, 1.15, 0.98, 1.85, 1.15, -2.35, -2.45, 1.15, 0.34),
}
_FREQUENCY = (0.34, 0.18, 0.22, 0.10, 0.08, 0.08)


def car(rng: np.random.Generator) -> list[Solid]:
    """Return a car of random kind, size and paint."""
    shape = SHAPES[str(rng.choice(list(SHAPES), p=_FREQUENCY))]
    paint = _PAINTS[rng.integers(len(_PAINTS))]
    return build(shape, paint, seed=int(rng.integers(1 << 20)))


def build(shape: CarShape, paint: Color, *, seed: int = 0) -> list[Solid]:
    """Return the solids of a car."""
    s = shape
    front, rear = s.length / 2 - 0.80, -s.length / 2 + 0.78  # axles
    body = Material(
        Label.CAR,
        paint,
        Pattern.CAR_BODY,
        gloss=0.05,
        retro=0.02,
        seed=seed,
        dimensions=(s.length, s.width, s.wheel, front, rear, s.nose, s.tail, s.belt),
    )
    cabin = Material(
        Label.CAR,
        paint,
        Pattern.CAR_CABIN,
        gloss=0.05,
        seed=seed,
        dimensions=(
            s.belt,
            s.height,
            s.windscreen_foot,
            s.windscreen_head,
            s.rear_head,
            s.rear_foot,
            s.width,
        ),
    )
    rubber = Material(
        Label.CAR,
        (0.05, 0.05, 0.05),
        Pattern.WHEEL,
        accent=(0.6, 0.6, 0.62),
        seed=seed,
        dimensions=(s.wheel, front, rear),
    )
    plastic = Material(Label.CAR, paint, gloss=0.04)
    solids = [_body(s, body), _cabin(s, cabin)]
    track = s.width / 2 + 0.015
    for x in (front, rear):
        for side in (-1.0, 1.0):
            outer = (x, side * track, s.wheel)
            inner = (x, side * (track - WHEEL_WIDTH), s.wheel)
            solids.append(Solid.cylinder(rubber, inner, outer, s.wheel))
    for side in (-1.0, 1.0):
        centre = (s.windscreen_foot - 0.28, side * (s.width / 2 + 0.04), s.belt + 0.06)
        solids.append(Solid.ellipsoid(plastic, centre, (0.07, 0.11, 0.08)))
    return solids


def _line(x0: float, z0: float, x1: float, z1: float) -> list[float]:
    """Plane across the car, through two points of its side view; what is above is outside.

    The first point is the one nearer to the front.
    """
    normal = np.array([z1 - z0, x0 - x1])
    return [normal[0], 0.0, normal[1], -(normal @ [x0, z0])]


def _body(s: CarShape, material: Material) -> Solid:
    x, y = s.length / 2, s.width / 2
    planes: Doubles = np.array(
        [
            [0, 0, -1, 0.19],
            [0, 0, 1, -s.belt],
            [0, 1, 0.10, -(y + 0.10 * 0.55)],  # sides lean in towards the windows,
            [0, -1, 0.10, -(y + 0.10 * 0.55)],
            [0, 1, -0.16, -(y - 0.16 * 0.5)],  # and towards the sills
            [0, -1, -0.16, -(y - 0.16 * 0.5)],
            [1, 0, 0.12, -(x + 0.12 * 0.5)],
            [1, 0, -0.25, -(x - 0.25 * 0.42)],
            [-1, 0, 0.10, -(x + 0.10 * 0.6)],
            [-1, 0, -0.25, -(x - 0.25 * 0.42)],
            [1, 0.55, 0, -(x + 0.55 * (y - 0.30))],  # rounded corners
            [1, -0.55, 0, -(x + 0.55 * (y - 0.30))],
            [-1, 0.45, 0, -(x + 0.45 * (y - 0.25))],
            [-1, -0.45, 0, -(x + 0.45 * (y - 0.25))],
            _line(x, s.nose, s.windscreen_foot, s.belt + 0.01),
            _line(s.rear_foot, s.belt + 0.01, -x, s.tail - 0.02),
            [0.9, 0, 1, -(0.9 * x + s.nose - 0.09)],  # the edges of bonnet and tail are not sharp
            [-0.9, 0, 1, -(0.9 * x + s.tail - 0.07)],
        ]
    )
    return Solid.polyhedron(material, planes, (-x, -y, 0.19), (x, y, s.belt))


def _cabin(s: CarShape, material: Material) -> Solid:
    y = s.width / 2 - 0.045
    lean = 0.36  # of the side windows
    bottom = s.belt - 0.08
    planes = np.array(
        [
            [0, 0, -1, bottom],
            [0, 0, 1, -s.height],
            [0, 1, lean, -(y + lean * s.belt)],
            [0, -1, lean, -(y + lean * s.belt)],
            [0, 0.55, 1, -(0.55 * (y - lean * (s.height - s.belt)) + s.height - 0.07)],
            [0, -0.55, 1, -(0.55 * (y - lean * (s.height - s.belt)) + s.height - 0.07)],
            _line(s.windscreen_foot, s.belt, s.windscreen_head, s.height - 0.03),
            _line(s.rear_head, s.height - 0.03, s.rear_foot, s.belt),
            [0.10, 0, 1, -(0.10 * s.windscreen_head + s.height - 0.03)],
            [-0.07, 0, 1, -(-0.07 * s.rear_head + s.height - 0.03)],
        ]
    )
    low = (min(s.rear_foot, -s.length / 2), -y - 0.05, bottom)
    return Solid.polyhedron(material, planes, low, (s.windscreen_foot + 0.1, y + 0.05, s.height))
