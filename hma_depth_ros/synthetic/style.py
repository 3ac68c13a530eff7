"""The character of a street, drawn once per seed: how wide, how built up, how green, how busy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hma_depth_ros.synthetic.light import Daylight
from hma_depth_ros.synthetic.materials import Color
from hma_depth_ros.synthetic.paving import Paving
from hma_depth_ros.synthetic.street import SIDES, Side, Street

_ARTERIAL = 0.25  #: chance of an arterial road
# By kind of street: means of shares, and chance of a row of trees.
_PARKED = {"residential": 0.7, "town": 0.8, "suburb": 0.35, "country": 0.0, "arterial": 0.0}
_TREES = {"residential": 0.4, "town": 0.55, "suburb": 0.6, "country": 0.4, "arterial": 0.4}
_HEAVY = {"residential": 0.10, "town": 0.22, "suburb": 0.22, "country": 0.22, "arterial": 0.38}
_PARKED_HEAVY = {
    "residential": 0.02,
    "town": 0.03,
    "suburb": 0.04,
    "country": 0.0,
    "arterial": 0.0,
}


@dataclass(frozen=True)
class Frontage:
    """What stands beyond the pavement, as probabilities and metres."""

    house: float  #: chance that a lot has a house
    flat_roof: float
    storeys: tuple[int, int]
    row: float  #: chance that houses stand wall to wall
    setback: tuple[float, float]
    boundary: float  #: chance of a hedge, wall or fence before a lot
    garden_trees: float  #: mean number per lot
    wood: float  #: chance that a lot is wood edge


@dataclass(frozen=True)
class Convoys:
    """Lanes full of vehicles, each counted from the middle of the street."""

    ahead: tuple[int, ...] = ()  #: lanes beside the own one, in our direction
    oncoming: tuple[int, ...] = ()
    own: bool = False  #: the own lane is a queue too
    density: float = 0.0  #: share of the places in a lane that are taken
    headway: float = 0.0  #: metres from the camera to the tail of the own queue


@dataclass(frozen=True)
class RoadBounds:
    """What large roads are bounded by and what spans them; metres, and chances per block."""

    median: str = "none"  #: "concrete" or "rail" between the directions
    sides: dict[Side, str] = field(default_factory=dict)  #: "rail", "concrete", "noise" or "none"
    wall_height: float = 0.0  #: of noise walls
    wall_kind: int = 0
    wall_color: Color = (0.5, 0.5, 0.5)
    gantry: float = 0.0
    bridge: float = 0.0


@dataclass(frozen=True)
class Style:
    """Everything that is constant along a drive."""

    kind: str
    street: Street
    paving: Paving
    light: Daylight
    frontage: Frontage
    parked: dict[Side, float]  #: share of the kerb taken by parked cars
    street_trees: float  #: metres between them, 0: none
    lamps: float  #: metres between lamp posts, 0: none
    utility_poles: bool
    markers: bool  #: white roadside posts
    oncoming: float  #: metres between oncoming cars
    leading: float  #: metres to the car in front, 0: none
    heavy: float  #: share of lorries and buses among what moves
    parked_heavy: float  #: share of parking places where one begins
    ego_lane: int  #: counted from the middle
    convoys: Convoys
    bounds: RoadBounds

    @classmethod
    def random(cls, rng: np.random.Generator, later: np.random.Generator) -> Style:
        """One of five kinds of street, each with wide variation.

        What came to the streets later, arterial roads and heavy traffic, is drawn from a generator
        of its own, so that the streets of before are still those of the same seeds.
        """
        kind = str(
            rng.choice(["residential", "town", "suburb", "country"], p=[0.36, 0.22, 0.26, 0.16])
        )
        if later.random() < _ARTERIAL:
            kind = "arterial"
        light = Daylight.random(rng)
        frontage = _frontage(kind, rng)
        street = _street(kind, rng)
        paving = _paving(kind, street, rng)
        parked = _PARKED[kind]
        spacing = _TREES[kind]
        ego_lane = int(later.integers(paving.lanes)) if kind == "arterial" else 0
        return cls(
            kind=kind,
            street=street,
            paving=paving,
            light=light,
            frontage=frontage,
            parked={side: max(parked * rng.uniform(-0.1, 1.1), 0.0) for side in SIDES},
            street_trees=float(rng.uniform(8, 18)) if rng.random() < spacing else 0.0,
            lamps=0.0 if kind == "country" else float(rng.uniform(22, 38)),
            utility_poles=bool(rng.random() < 0.3),
            markers=kind == "country" or (kind == "suburb" and bool(rng.random() < 0.4)),
            oncoming=float(rng.uniform(18, 90)),
            leading=float(rng.uniform(9, 45)) if rng.random() < 0.55 else 0.0,
            heavy=_HEAVY[kind] * float(later.uniform(0.4, 1.6)),
            parked_heavy=_PARKED_HEAVY[kind] * float(later.uniform(0.0, 2.0)),
            ego_lane=ego_lane,
            convoys=_convoys(kind, paving.lanes, ego_lane, later),
            bounds=_bounds(later) if kind == "arterial" else RoadBounds(),
        )

    @property
    def ego_lateral(self) -> float:
        """Middle of the lane that the camera drives in, to the right of the street's middle."""
        return self.lane_lateral(self.ego_lane)

    def lane_lateral(self, lane: int) -> float:
        """Middle of a lane in our direction, counted from the middle of the street."""
        return -self.street.half_width / self.paving.lanes / 2 * (2 * lane + 1)


def _convoys(kind: str, lanes: int, own: int, rng: np.random.Generator) -> Convoys:
    """Streets with several lanes have traffic in them; on arterial roads it is dense."""
    beside = tuple(lane for lane in range(lanes) if lane != own)
    density = float(rng.uniform(0.35, 1.0))
    if kind != "arterial":
        return Convoys(ahead=beside if rng.random() < 0.8 else (), density=density)
    return Convoys(
        ahead=beside,
        oncoming=tuple(range(lanes)),
        own=bool(rng.random() < 0.8),
        density=density,
        headway=float(rng.uniform(6.0, 32.0)),
    )


def _bounds(rng: np.random.Generator) -> RoadBounds:
    kinds = ["none", "rail", "concrete", "noise"]
    palette = [(0.45, 0.50, 0.42), (0.50, 0.44, 0.36), (0.42, 0.47, 0.52), (0.58, 0.55, 0.48)]
    return RoadBounds(
        median=str(rng.choice(["none", "concrete", "rail"], p=[0.3, 0.35, 0.35])),
        sides={side: str(rng.choice(kinds, p=[0.25, 0.35, 0.15, 0.25])) for side in SIDES},
        wall_height=float(rng.uniform(2.2, 4.5)),
        wall_kind=int(rng.integers(3)),
        wall_color=palette[rng.integers(len(palette))],
        gantry=float(rng.uniform(0.0, 0.3)),
        bridge=float(rng.uniform(0.05, 0.3)),
    )


def _frontage(kind: str, rng: np.random.Generator) -> Frontage:
    if kind == "residential":
        return Frontage(
            house=rng.uniform(0.65, 0.95),
            flat_roof=0.08,
            storeys=(1, 3),
            row=rng.uniform(0, 0.5),
            setback=(1.5, rng.uniform(3, 8)),
            boundary=rng.uniform(0.4, 0.95),
            garden_trees=rng.uniform(0.4, 1.6),
            wood=0.04,
        )
    if kind == "town":
        return Frontage(
            house=rng.uniform(0.8, 1.0),
            flat_roof=rng.uniform(0.1, 0.6),
            storeys=(2, 5),
            row=rng.uniform(0.5, 1.0),
            setback=(0.0, rng.uniform(0.2, 3)),
            boundary=rng.uniform(0, 0.3),
            garden_trees=rng.uniform(0, 0.5),
            wood=0.02,
        )
    if kind == "suburb":
        return Frontage(
            house=rng.uniform(0.15, 0.6),
            flat_roof=0.3,
            storeys=(1, 4),
            row=rng.uniform(0, 0.2),
            setback=(4.0, rng.uniform(8, 18)),
            boundary=rng.uniform(0.3, 0.8),
            garden_trees=rng.uniform(0.8, 2.5),
            wood=rng.uniform(0.1, 0.45),
        )
    if kind == "arterial":
        return Frontage(
            house=rng.uniform(0.05, 0.4),
            flat_roof=0.7,
            storeys=(2, 6),
            row=rng.uniform(0, 0.2),
            setback=(5.0, rng.uniform(8, 25)),
            boundary=rng.uniform(0.0, 0.3),
            garden_trees=rng.uniform(0.4, 2.0),
            wood=rng.uniform(0.1, 0.6),
        )
    return Frontage(
        house=rng.uniform(0.0, 0.15),
        flat_roof=0.0,
        storeys=(1, 2),
        row=0.0,
        setback=(8.0, rng.uniform(12, 25)),
        boundary=rng.uniform(0, 0.25),
        garden_trees=rng.uniform(0.2, 1.5),
        wood=rng.uniform(0.2, 0.8),
    )


def _street(kind: str, rng: np.random.Generator) -> Street:
    half_width, pavement, verge = {
        "residential": (rng.uniform(3.0, 4.6), rng.uniform(1.2, 2.4), rng.uniform(-1.5, 1.5)),
        "town": (rng.uniform(4.2, 8.0), rng.uniform(1.8, 4.0), rng.uniform(-3.0, 1.0)),
        "suburb": (rng.uniform(3.4, 6.5), rng.uniform(-0.8, 2.2), rng.uniform(0.5, 5.0)),
        "country": (rng.uniform(2.9, 4.2), 0.0, rng.uniform(1.5, 5.0)),
    }.get(kind) or (
        int(rng.integers(2, 4)) * rng.uniform(3.1, 3.75),
        rng.uniform(-2.0, 2.5),
        rng.uniform(0.8, 5.0),
    )
    # Bends that a car takes at 10 m/s: curvature up to 1/80 m.
    long, short = rng.uniform(220, 420), rng.uniform(90, 160)
    bends = (
        (rng.uniform(0, 1) ** 2 * long**2 / 39.5 / 110, long, rng.uniform(0, 2 * np.pi)),
        (rng.uniform(0, 1) ** 2 * short**2 / 39.5 / 250, short, rng.uniform(0, 2 * np.pi)),
    )
    return Street(
        bends=bends,
        half_width=half_width,
        kerb_height=0.0 if kind == "country" else rng.uniform(0.06, 0.15),
        kerb_width=0.0 if kind == "country" else rng.uniform(0.10, 0.30),
        pavement=max(pavement, 0.0),
        verge=max(verge, 0.0),
    )


def _paving(kind: str, street: Street, rng: np.random.Generator) -> Paving:
    marks = {
        "residential": [0.75, 0.22, 0.03],
        "town": [0.2, 0.6, 0.2],
        "suburb": [0.15, 0.7, 0.15],
        "country": [0.2, 0.7, 0.1],
        "arterial": [0.0, 0.1, 0.9],
    }[kind]
    slabs = (0.0, 0.0) if rng.random() < 0.35 else (rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5))
    grey, warm = rng.uniform(0.44, 0.66), rng.uniform(0.0, 0.06)
    green = rng.uniform(0.9, 1.1)
    grass = (0.28 * green + rng.uniform(0, 0.07), 0.36 * green, rng.uniform(0.15, 0.21))
    land = (0.27 * green + rng.uniform(0, 0.12), 0.35 * green, rng.uniform(0.15, 0.21))
    return Paving(
        asphalt=rng.uniform(0.40, 0.62),
        wear=rng.uniform(0.1, 1.0),
        middle_mark=str(rng.choice(["none", "dashed", "solid"], p=marks)),
        edge_marks=kind in {"suburb", "country", "arterial"} and bool(rng.random() < 0.65),
        lanes=3 if street.half_width > 8.5 else 2 if street.half_width > 6.2 else 1,
        slabs=slabs,
        pavement=(grey + warm, grey, grey - warm),
        grass=grass,
        land=land,
        seed=int(rng.integers(1 << 20)),
    )
