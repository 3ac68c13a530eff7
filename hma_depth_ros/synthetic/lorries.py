"""Heavy vehicles: lorries, articulated ones, tankers, tippers, box vans, buses.

Object frame, as for cars: origin on the ground below the middle, x forward, y left, z up. The sides
and the rear of a load body are upright planes, which is what a depth network has to learn here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic.materials import Color, Material, Pattern
from hma_depth_ros.synthetic.pattern_lorry import CURTAIN, RIBBED, SMOOTH
from hma_depth_ros.synthetic.solids import Solid

_COLORS: tuple[Color, ...] = (
    (0.90, 0.90, 0.89),
    (0.86, 0.87, 0.88),
    (0.74, 0.75, 0.76),
    (0.14, 0.24, 0.48),
    (0.10, 0.38, 0.62),
    (0.66, 0.10, 0.09),
    (0.88, 0.72, 0.12),
    (0.12, 0.38, 0.22),
    (0.86, 0.42, 0.10),
    (0.20, 0.21, 0.23),
    (0.45, 0.47, 0.49),
    (0.36, 0.16, 0.30),
    (0.55, 0.66, 0.22),
    (0.76, 0.70, 0.58),
)
_PLAIN = 3  #: the first colours, white and grey, are those of every second lorry
_CARGO: tuple[Color, ...] = (
    (0.55, 0.42, 0.28),
    (0.48, 0.48, 0.46),
    (0.50, 0.26, 0.18),
    (0.70, 0.68, 0.62),
    (0.20, 0.34, 0.50),
)
_TYRE = 0.30  #: metres, width of a pair's visible part
LONGEST = 16.5  #: metres, of an articulated lorry


@dataclass(frozen=True)
class _Build:
    """What the parts of one vehicle share; metres."""

    label: Label
    length: float
    width: float
    height: float
    deck: float  #: height of the load floor
    wheel: float  #: radius
    paint: Color  #: of cab or body
    accent: Color
    seed: int

    @property
    def front(self) -> float:
        return self.length / 2

    @property
    def rear(self) -> float:
        return -self.length / 2


def heavy(rng: np.random.Generator, *, longest: float = LONGEST) -> list[Solid]:
    """Return a heavy vehicle of random kind that is at most `longest` metres long, 6 at least."""
    fitting = [kind for kind in _KINDS if kind.lengths[0] <= longest]
    if not fitting:
        fitting = [min(_KINDS, key=lambda kind: kind.lengths[0])]
    share = np.array([kind.frequency for kind in fitting])
    kind = fitting[rng.choice(len(fitting), p=share / share.sum())]
    low, high = kind.lengths
    length = float(rng.uniform(low, max(min(high, longest), low)))
    build = _Build(
        label=kind.label,
        length=length,
        width=float(rng.uniform(*kind.widths)),
        height=float(rng.uniform(*kind.heights)),
        deck=float(rng.uniform(0.75, 1.25)),
        wheel=float(rng.uniform(*kind.wheels)),
        paint=_color(rng),
        accent=_COLORS[rng.integers(_PLAIN, len(_COLORS))],
        seed=int(rng.integers(1 << 20)),
    )
    return kind.make(build, rng)


def _color(rng: np.random.Generator) -> Color:
    first = rng.random() < 0.5
    r, g, b = _COLORS[rng.integers(_PLAIN) if first else rng.integers(len(_COLORS))]
    tone = rng.uniform(0.85, 1.08)
    return (min(r * tone, 0.93), min(g * tone, 0.93), min(b * tone, 0.93))


# ---- kinds ---------------------------------------------------------------------------------------


def _box_lorry(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """Two or three axles under a box or a tarpaulin, which may leave a gap behind the cab."""
    cab = rng.uniform(1.7, 2.3)
    back = b.front - cab
    solids = _cab(b, rng, rear=back, height=min(b.height, rng.uniform(2.5, 3.1)))
    solids += _load_box(b, rng, b.rear, back - rng.uniform(0.05, 0.5))
    axles = [b.rear + rng.uniform(1.4, 0.26 * b.length), b.front - rng.uniform(1.0, 1.4)]
    if b.length > 9.0 and rng.random() < 0.6:
        axles.append(axles[0] + 1.35)
    return solids + _running_gear(b, rng, axles)


def _articulated(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """Tractor and semi-trailer."""
    cab = rng.uniform(2.0, 2.4)
    back = b.front - cab
    start = back - rng.uniform(0.45, 0.9)
    solids = _cab(b, rng, rear=back, height=rng.uniform(2.9, 3.75))
    if rng.random() < 0.72:
        solids += _load_box(b, rng, b.rear, start)
    else:
        solids += _flatbed(b, rng, b.rear, start)
    axles = [b.rear + 1.9 + 1.32 * i for i in range(int(rng.integers(2, 4)))]
    axles += [start - 0.7, b.front - 1.35]
    return solids + _running_gear(b, rng, axles)


def _tanker(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """One round tank, with rings, a walkway on top and a ladder at the rear."""
    back = b.front - rng.uniform(1.8, 2.3)
    solids = _cab(b, rng, rear=back, height=rng.uniform(2.6, 3.3))
    bright = rng.random() < 0.5
    skin = _body(
        b,
        (0.80, 0.81, 0.82) if bright else _color(rng),
        (b.rear, back - 0.4, b.deck, b.height),
        SMOOTH,
        gloss=rng.uniform(0.10, 0.35) if bright else 0.05,
    )
    radius = min((b.height - b.deck) / 2, b.width / 2)
    z = b.height - radius
    metal = Material(b.label, (0.35, 0.36, 0.37), gloss=0.03)
    start, end = b.rear + 0.25, back - 0.5
    solids.append(Solid.cylinder(skin, (start, 0, z), (end, 0, z), radius))
    for x in np.linspace(start + 0.1, end - 0.1, int(rng.integers(3, 7))).tolist():
        solids.append(Solid.cylinder(metal, (x - 0.04, 0, z), (x + 0.04, 0, z), radius + 0.03))
    solids += [
        Solid.box(metal, (start, -0.3, b.height), (end, 0.3, b.height + 0.06)),
        Solid.box(metal, (b.rear, -b.width / 2, 0.8), (end, b.width / 2, z - radius * 0.72)),
        Solid.box(metal, (b.rear + 0.05, -0.5, 0.6), (b.rear + 0.1, -0.46, b.height)),
        Solid.box(metal, (b.rear + 0.05, -0.16, 0.6), (b.rear + 0.1, -0.12, b.height)),
    ]
    axles = [b.rear + 1.5, b.rear + 2.85, b.front - 1.3]
    if b.length > 11.5:
        axles.append(back - 1.2)
    return solids + _running_gear(b, rng, axles)


def _open_lorry(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """Tipper or flatbed."""
    back = b.front - rng.uniform(1.7, 2.2)
    solids = _cab(b, rng, rear=back, height=rng.uniform(2.5, 3.0))
    build = _tipper if rng.random() < 0.55 else _flatbed
    solids += build(b, rng, b.rear, back - 0.15)
    axles = [b.rear + 1.2, b.front - 1.25]
    if b.length > 7.5:
        axles.append(b.rear + 2.55)
    return solids + _running_gear(b, rng, axles)


def _box_van(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """Van with a bonnet and a box that is wider and higher than its cab."""
    back = b.front - rng.uniform(2.1, 2.5)
    floor, belt, roof = 0.45, rng.uniform(1.25, 1.4), rng.uniform(2.15, 2.4)
    nose = rng.uniform(0.95, 1.1)
    profile = [
        (back, floor),
        (b.front, floor),
        (b.front, nose),
        (b.front - 0.75, belt),
        (b.front - 1.5, roof),
        (back, roof),
    ]
    half = min(b.width, 2.1) / 2
    skin = _cab_material(b, (back, b.front, floor, belt, roof), 2 * half, bonnet=True)
    solids = [Solid.prism(skin, profile, -half, half, axis=1)]
    solids += _load_box(b, rng, b.rear, back - 0.02, floor=rng.uniform(0.6, 0.85))
    solids += _mirrors(b, b.front - 1.05, belt + 0.15, half)
    return solids + _running_gear(b, rng, [b.rear + 1.25, b.front - 0.85])


def _bus(b: _Build, rng: np.random.Generator) -> list[Solid]:
    """City bus or coach."""
    coach = b.height > 3.2
    floor = 0.32
    belt = rng.uniform(1.65, 1.95) if coach else rng.uniform(1.1, 1.35)
    skin = Material(
        Label.BUS,
        b.paint,
        Pattern.BUS_BODY,
        accent=b.accent,
        gloss=0.05,
        retro=0.02,
        seed=b.seed,
        dimensions=(b.rear, b.front, floor, belt, b.height, b.width),
    )
    lean, tail = rng.uniform(0.0, 0.45), rng.uniform(0.0, 0.2)
    profile = [
        (b.rear, floor),
        (b.front, floor),
        (b.front, belt - 0.2),
        (b.front - lean, b.height - 0.15),
        (b.front - lean - 0.2, b.height),
        (b.rear + tail + 0.1, b.height),
        (b.rear, b.height - 0.12),
    ]
    half = b.width / 2
    solids = [Solid.prism(skin, profile, -half, half, axis=1)]
    unit = Material(Label.BUS, (0.75, 0.75, 0.74))
    for x in rng.uniform(b.rear + 2, b.front - 3, int(rng.integers(0, 3))).tolist():
        box = (x, -0.8, b.height), (x + 1.8, 0.8, b.height + rng.uniform(0.12, 0.3))
        solids.append(Solid.box(unit, *box))
    solids += _mirrors(b, b.front + 0.1, belt + 0.7, half)
    axles = [b.rear + rng.uniform(2.3, 3.3), b.front - rng.uniform(2.3, 2.9)]
    if b.length > 12.5:
        axles.append(axles[0] - 1.35)
    return solids + _wheels(b, axles)


# ---- parts ---------------------------------------------------------------------------------------


def _body(
    b: _Build,
    color: Color,
    extent: tuple[float, float, float, float],
    kind: int,
    *,
    gloss: float = 0.0,
) -> Material:
    """Painted load body from rear to front and floor to roof."""
    return Material(
        b.label,
        color,
        Pattern.LIVERY,
        accent=b.accent,
        gloss=gloss,
        retro=0.02,
        seed=b.seed,
        dimensions=(*extent, b.width, float(kind)),
    )


def _load_box(
    b: _Build, rng: np.random.Generator, rear: float, front: float, *, floor: float | None = None
) -> list[Solid]:
    """Closed body: smooth, curtain-sided or of ribbed metal, and the frame under it."""
    kind = int(rng.choice([SMOOTH, CURTAIN, RIBBED], p=[0.45, 0.38, 0.17]))
    color = b.paint if rng.random() < 0.3 else _color(rng)
    low, half = b.deck if floor is None else floor, b.width / 2
    skin = _body(b, color, (rear, front, low, b.height), kind, gloss=rng.choice([0.0, 0.03]))
    solids = [Solid.box(skin, (rear, -half, low), (front, half, b.height))]
    if rng.random() < 0.15:  # a cooling unit above the cab
        grey = Material(b.label, (0.82, 0.82, 0.81))
        corner = (front, -half * 0.7, b.height - 1.0), (front + 0.4, half * 0.7, b.height - 0.1)
        solids.append(Solid.box(grey, *corner))
    return solids


def _tipper(b: _Build, rng: np.random.Generator, rear: float, front: float) -> list[Solid]:
    """Open skip with a heap of what it carries."""
    top = min(b.height - 0.4, b.deck + rng.uniform(0.8, 1.6))
    skin = _body(b, _color(rng), (rear, front, b.deck, top), RIBBED)
    half = b.width / 2
    profile = [(rear, b.deck), (front - 0.15, b.deck), (front, top), (rear, top)]
    solids = [Solid.prism(skin, profile, -half, half, axis=1)]
    if rng.random() < 0.7:
        color = _CARGO[rng.integers(len(_CARGO))]
        heap = Material(b.label, color, Pattern.CONCRETE, dimensions=(50.0, 50.0, top))
        middle = ((rear + front) / 2, 0.0, top - 0.05)
        radii = ((front - rear) * 0.45, half * 0.85, rng.uniform(0.2, 0.55))
        solids.append(Solid.ellipsoid(heap, middle, radii))
    return solids


def _flatbed(b: _Build, rng: np.random.Generator, rear: float, front: float) -> list[Solid]:
    """Platform with low sides or none, a headboard, and a load of crates, pipes or a container."""
    half, deck = b.width / 2, b.deck
    wood = Material(b.label, (0.40, 0.34, 0.28))
    steel = Material(b.label, b.accent, gloss=0.03)
    solids = [
        Solid.box(wood, (rear, -half, deck - 0.14), (front, half, deck)),
        Solid.box(steel, (front - 0.08, -half, deck), (front, half, deck + rng.uniform(0.6, 1.4))),
    ]
    if rng.random() < 0.5:
        skin = _body(b, _color(rng), (rear, front, deck, deck + 0.6), RIBBED)
        solids.append(Solid.box(skin, (rear, -half, deck - 0.02), (front - 0.1, half, deck + 0.6)))
    load = rng.random()
    room = front - rear - 0.4
    if load < 0.4:  # a container, 2.44 m wide
        long = min(room, 12.2 if room > 12.2 else 6.06)
        x, y, top = rear + 0.1, min(half, 1.22), min(deck + 2.5, 4.0)
        skin = _body(b, _color(rng), (x, x + long, deck, top), RIBBED)
        solids.append(Solid.box(skin, (x, -y, deck), (x + long, y, top)))
    elif load < 0.65:
        pipe = Material(b.label, _CARGO[rng.integers(len(_CARGO))], gloss=0.03)
        radius = rng.uniform(0.15, 0.4)
        for y in np.arange(-half + radius, half - radius + 0.01, 2 * radius).tolist():
            z = deck + radius
            solids.append(Solid.cylinder(pipe, (rear + 0.2, y, z), (front - 0.3, y, z), radius))
    else:
        x = rear + 0.2
        while x < front - 1.6:
            size, tall = rng.uniform(0.8, 1.5), rng.uniform(0.5, 1.9)
            if rng.random() < 0.8:
                crate = Material(
                    b.label,
                    _CARGO[rng.integers(len(_CARGO))],
                    Pattern.MASONRY,
                    accent=(0.2, 0.18, 0.16),
                    dimensions=(0.0, rng.uniform(0.1, 0.3)),
                    seed=b.seed,
                )
                y = half * rng.uniform(0.6, 0.95)
                solids.append(Solid.box(crate, (x, -y, deck), (x + size, y, deck + tall)))
            x += size + rng.uniform(0.03, 0.4)
    return solids


def _cab_material(
    b: _Build,
    extent: tuple[float, float, float, float, float],
    width: float,
    *,
    bonnet: bool = False,
) -> Material:
    """Paint of a cab: x of rear and front, z of floor, window line and roof."""
    return Material(
        b.label,
        b.paint,
        Pattern.LORRY_CAB,
        gloss=0.05,
        retro=0.02,
        seed=b.seed,
        dimensions=(*extent, width, float(bonnet)),
    )


def _cab(b: _Build, rng: np.random.Generator, *, rear: float, height: float) -> list[Solid]:
    """Cab over the engine, with mirrors, and a deflector or visor on some."""
    floor, half = rng.uniform(0.35, 0.5), b.width / 2 - 0.02
    belt = max(rng.uniform(1.55, 1.95), height - 1.5)
    skin = _cab_material(b, (rear, b.front, floor, belt, height), 2 * half)
    lean = rng.uniform(0.06, 0.30)
    profile = [
        (rear, floor + 0.35),
        (rear + 0.4, floor),
        (b.front, floor),
        (b.front, belt),
        (b.front - lean, height - 0.12),
        (b.front - lean - 0.25, height),
        (rear, height),
    ]
    solids = [Solid.prism(skin, profile, -half, half, axis=1)]
    if b.height - height > 0.35 and rng.random() < 0.6:
        sheet = Material(b.label, b.paint, gloss=0.04)
        top = b.height - 0.05
        slope = [(rear + 0.05, height), (b.front - lean - 0.5, height), (rear + 0.05, top)]
        solids.append(Solid.prism(sheet, slope, -half * 0.85, half * 0.85, axis=1))
    return solids + _mirrors(b, b.front - 0.05, belt + 0.45, half)


def _mirrors(b: _Build, x: float, z: float, half: float) -> list[Solid]:
    black = Material(b.label, (0.08, 0.08, 0.08))
    return [
        Solid.box(
            black,
            (x - 0.06, min(side * (half + 0.05), side * (half + 0.24)), z - 0.25),
            (x + 0.06, max(side * (half + 0.05), side * (half + 0.24)), z + 0.25),
        )
        for side in (-1, 1)
    ]


def _wheels(b: _Build, axles: list[float]) -> list[Solid]:
    solids = []
    half = b.width / 2 - 0.01
    for x in axles:
        rubber = Material(
            b.label,
            (0.06, 0.06, 0.06),
            Pattern.WHEEL,
            accent=(0.5, 0.5, 0.51),
            seed=b.seed,
            dimensions=(b.wheel, x, x),
        )
        for side in (-1, 1):
            inner, outer = (x, side * (half - _TYRE), b.wheel), (x, side * half, b.wheel)
            solids.append(Solid.cylinder(rubber, inner, outer, b.wheel))
    return solids


def _running_gear(b: _Build, rng: np.random.Generator, axles: list[float]) -> list[Solid]:
    """Frame, wheels, side guards, tail lamps, and the bar against running under the rear."""
    half = b.width / 2
    frame = Material(b.label, (0.10, 0.10, 0.11))
    bar = _striped(b, rng) if rng.random() < 0.6 else frame
    lamp = Material(b.label, (0.55, 0.05, 0.05), gloss=0.04, retro=0.3)
    plate = Material(b.label, (0.85, 0.85, 0.82), retro=0.5)
    height = rng.uniform(0.42, 0.55)
    end = b.rear + rng.uniform(0.02, 0.3)
    solids = [
        Solid.box(frame, (b.rear + 0.1, -0.45, 0.6), (b.front - 1.0, 0.45, b.deck - 0.02)),
        Solid.box(bar, (end, -half + 0.08, height), (end + 0.1, half - 0.08, height + 0.2)),
        Solid.box(plate, (end - 0.012, -0.26, height + 0.22), (end, 0.26, height + 0.33)),
    ]
    for side in (-1, 1):
        y = sorted((side * (half - 0.5), side * (half - 0.08)))
        low = (end - 0.01, y[0], height + 0.22)
        solids.append(Solid.box(lamp, low, (end + 0.08, y[1], height + 0.36)))
    ordered = sorted(axles)
    gaps = [(low + b.wheel, high - b.wheel) for low, high in pairwise(ordered)]
    start, stop = max(gaps, key=lambda gap: gap[1] - gap[0])
    stop = min(stop, b.front - 2.4)
    if stop - start > 1.2:
        color = _color(rng) if rng.random() < 0.3 else (0.30, 0.31, 0.32)
        board = Material(b.label, color, gloss=0.02)
        rails = [(0.45, 0.62), (0.75, 0.92)] if rng.random() < 0.6 else [(0.40, b.deck - 0.12)]
        for bottom, top in rails:
            for side in (-1, 1):
                y = sorted((side * (half - 0.10), side * (half - 0.05)))
                solids.append(
                    Solid.box(board, (start + 0.1, y[0], bottom), (stop - 0.1, y[1], top))
                )
        boxes = Material(b.label, (0.16, 0.16, 0.17), gloss=0.03)
        x = rng.uniform(start + 0.1, stop - 0.9)
        corner = (x, -half + 0.15, 0.5), (x + 0.8, half - 0.15, b.deck - 0.02)
        solids.append(Solid.box(boxes, *corner))
    if rng.random() < 0.25 and b.deck < b.height:  # a tail lift, folded up
        board = _striped(b, rng)
        tail = (b.rear - 0.08, -half + 0.1, b.deck - 0.25), (b.rear, half - 0.1, b.deck - 0.02)
        solids.append(Solid.box(board, *tail))
    return solids + _wheels(b, axles)


def _striped(b: _Build, rng: np.random.Generator) -> Material:
    """Retroreflecting stripes, red with white or yellow."""
    light: Color = (0.88, 0.88, 0.86) if rng.random() < 0.6 else (0.88, 0.72, 0.10)
    return Material(
        b.label,
        (0.70, 0.08, 0.07),
        Pattern.HAZARD,
        accent=light,
        retro=0.6,
        dimensions=(rng.uniform(0.10, 0.2),),
        seed=b.seed,
    )


@dataclass(frozen=True)
class _Kind:
    """Ranges of a kind of vehicle, metres."""

    make: Callable[[_Build, np.random.Generator], list[Solid]]
    label: Label
    frequency: float
    lengths: tuple[float, float]
    widths: tuple[float, float]
    heights: tuple[float, float]
    wheels: tuple[float, float] = (0.44, 0.52)


_KINDS: tuple[_Kind, ...] = (
    _Kind(_box_lorry, Label.TRUCK, 0.27, (7.0, 11.5), (2.4, 2.55), (3.1, 4.0)),
    _Kind(_articulated, Label.TRUCK, 0.27, (13.0, LONGEST), (2.48, 2.55), (3.6, 4.0)),
    _Kind(_tanker, Label.TRUCK, 0.07, (8.5, 15.0), (2.4, 2.55), (2.9, 3.6)),
    _Kind(_open_lorry, Label.TRUCK, 0.12, (6.5, 10.0), (2.35, 2.55), (3.0, 3.8)),
    _Kind(_box_van, Label.TRUCK, 0.13, (6.0, 7.5), (2.2, 2.35), (2.6, 3.3), (0.33, 0.37)),
    _Kind(_bus, Label.BUS, 0.14, (9.5, 14.0), (2.5, 2.55), (2.85, 3.75)),
)
