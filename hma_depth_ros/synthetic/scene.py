"""The whole scene: a street without end, built block by block, and the traffic on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from hma_depth_ros.synthetic import (
    furniture,
    houses,
    lorries,
    plants,
    structures,
    vehicles,
)
from hma_depth_ros.synthetic.solids import Solid, SolidSet
from hma_depth_ros.synthetic.street import SIDES, Side, rotation_z
from hma_depth_ros.synthetic.style import Style
from hma_depth_ros.synthetic.traffic import Traffic

BLOCK = 48.0  #: metres of street that are built at a time
AHEAD = 210.0  #: metres of street that exist before the camera
BEHIND = 70.0  #: and behind it, for the LiDAR and for shadows

_BOUND = 8.0  #: metres of a piece of guard rail or wall
_PARKING_PITCH = 6.1  #: metres of kerb per parked car
_PASSING = 2.3  #: least distance between the middles of the own car and a parked one


class Scene:
    """Street of one seed, with everything on it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.style = Style.random(self._random(0), self._random(8))
        self._traffic = Traffic(self.style, self._random)
        self._block = lru_cache(maxsize=16)(self._build_block)

    def _random(self, *keys: int) -> np.random.Generator:
        """Random numbers that depend on the seed and the keys alone, not on what was drawn before.

        Negative keys, such as blocks behind the start, count as large ones.
        """
        return np.random.default_rng([self.seed, *(key % 2**32 for key in keys)])

    # ---- what is where -------------------------------------------------------------------------

    def standing(self, x: float) -> SolidSet:
        """Everything that does not move, around a place on the street."""
        first, last = (int(np.floor((x + away) / BLOCK)) for away in (-BEHIND, AHEAD))
        return SolidSet.union(self._block(index) for index in range(first, last + 1))

    def traffic(self, x: float, time: float) -> SolidSet:
        """Vehicles on their way, when the camera is at x, `time` seconds after the start."""
        return self._traffic.solids(x, time)

    def landscape(self, x: float) -> SolidSet:
        """Wooded hills at the horizon. They keep their distance: at 1 km nobody can tell."""
        rng = self._random(6)
        hills = []
        for angle in np.arange(0, 2 * np.pi, 0.3) + rng.uniform(0, 0.3):
            distance = rng.uniform(900, 1800)
            away = rotation_z(angle)
            away[:3, 3] = away[:3, 0] * distance + [x, 0, 0]
            height = distance * rng.uniform(0.008, 0.045)
            solids = plants.hill(rng, width=distance * rng.uniform(0.25, 0.6), height=height)
            hills.append(SolidSet.of(solids).moved(away))
        return SolidSet.union(hills)

    # ---- blocks --------------------------------------------------------------------------------

    def _build_block(self, index: int) -> SolidSet:
        start = index * BLOCK
        bounds, rng = self.style.bounds, self._random(11, index)
        spanned = rng.random()
        parts: list[SolidSet] = [*self._median(start)]
        for side in SIDES:
            parts += self._bound(rng, start, side)
        if spanned < bounds.bridge:
            parts.append(self._bridge(rng, start))
            return SolidSet.union(parts)
        if spanned > 1 - bounds.gantry:
            parts.append(self._gantry(rng, start))
        for side in SIDES:
            rng = self._random(4, index, side)
            parts += self._lots(rng, start, side)
            parts += self._roadside(rng, start, side)
            parts += self._parked(rng, start, side)
            parts += self._far_trees(rng, start, side)
        return SolidSet.union(parts)

    def _put(self, solids: list[Solid], x: float, lateral: float, *, yaw: float = 0.0) -> SolidSet:
        """Place an object at the height of the ground there."""
        street = self.style.street
        z = 0.0 if abs(lateral) < street.half_width else street.kerb_height
        return SolidSet.of(solids).moved(street.pose(x, lateral, z=z, yaw=yaw))

    def _parking_lateral(self) -> float:
        """Distance of parked cars from the middle: on wide streets a lane of their own.

        On narrow ones they stand half on the pavement, as far as passing them needs.
        """
        style, street = self.style, self.style.street
        wide = street.half_width / style.paving.lanes > 4.4
        usual = street.half_width - 1.0 if wide else street.half_width + 0.25
        return max(usual, abs(style.ego_lateral) + _PASSING)

    def _clear_lateral(self, side: Side) -> float:
        """Distance from the middle beyond which neither the road nor parked cars are."""
        kerb = self.style.street.edges[1]
        parked = self._parking_lateral() + 1.1 if self.style.parked[side] > 0 else 0.0
        return max(kerb + 0.35, parked)

    def _lots(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        """Houses, gardens, woods and what bounds them, lot by lot."""
        frontage = self.style.frontage
        edge = max(self.style.street.edges[-1], self._clear_lateral(side) + 0.3)
        yaw = 0.0 if side > 0 else np.pi
        row = rng.random() < frontage.row
        widths = rng.uniform(0.7, 1.3, int(rng.integers(2, 5)))
        widths *= BLOCK / widths.sum()
        for width, end in zip(widths.tolist(), np.cumsum(widths).tolist(), strict=True):
            x = start + end - width / 2
            setback = rng.uniform(*frontage.setback)
            if rng.random() < frontage.wood:
                height = rng.uniform(7, 14)
                deep = edge + 2.5 + height * 0.15 + setback * 0.5
                yield self._put(
                    plants.grove(rng, length=width, height=height), x, side * deep, yaw=yaw
                )
                continue
            if rng.random() < frontage.boundary and setback > 1.2:
                yield self._put(self._boundary(rng, width - 0.4), x, side * (edge + 0.5), yaw=yaw)
            house_depth = rng.uniform(8, 12)
            room = setback + house_depth
            if rng.random() < frontage.house:
                room = setback - 2.0
                front = width - 0.05 if row else max(min(width - 2.5, rng.uniform(8, 15)), 5.0)
                house = houses.house(
                    rng,
                    width=front,
                    depth=house_depth,
                    storeys=int(rng.integers(frontage.storeys[0], frontage.storeys[1] + 1)),
                    flat=rng.random() < frontage.flat_roof,
                )
                yield self._put(house, x, side * (edge + setback + 0.4), yaw=yaw)
                if not row and width - front > 6.5:
                    beside = x + front / 2 + 2.2
                    yield self._put(
                        houses.garage(rng, width=3.2), beside, side * (edge + setback + 2), yaw=yaw
                    )
            for _ in range(rng.poisson(frontage.garden_trees)):
                deep = 1.3 + max(room, 0.0) * rng.random()
                if room < 2.5 and rng.random() < 0.6:
                    deep = setback + house_depth + rng.uniform(2, 6)  # behind the house
                at = x + rng.uniform(-0.45, 0.45) * width
                yield self._put(self._plant(rng, small=deep < 3), at, side * (edge + deep + 0.6))

    def _boundary(self, rng: np.random.Generator, length: float) -> list[Solid]:
        kind = rng.random()
        if kind < 0.45:
            return plants.hedge(rng, length=length, height=rng.uniform(0.8, 2.2))
        if kind < 0.72:
            return furniture.wall(rng, length=length, height=rng.uniform(0.5, 2.0))
        return furniture.fence(rng, length=length, height=rng.uniform(0.9, 1.5))

    def _plant(self, rng: np.random.Generator, *, small: bool) -> list[Solid]:
        if small or rng.random() < 0.3:
            return plants.bush(rng, size=rng.uniform(1.0, 2.4))
        if rng.random() < 0.25:
            return plants.conifer(rng, height=rng.uniform(5, 13))
        return plants.broadleaf(rng, height=rng.uniform(4.5, 11))

    def _roadside(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        """Trees, posts and signs between carriageway and lots."""
        style, street = self.style, self.style.street
        _, _, pavement, verge = street.edges
        clear = self._clear_lateral(side)
        yaw = 0.0 if side > 0 else np.pi
        if style.street_trees:
            strip = max(verge - 0.6 if street.verge < 1 else (pavement + verge) / 2, clear)
            for x in np.arange(
                start + rng.uniform(1, 4), start + BLOCK - 2, style.street_trees
            ).tolist():
                tree = plants.broadleaf(rng, height=rng.uniform(6, 11))
                yield self._put(tree, x + rng.uniform(-0.6, 0.6), side * strip)
        if style.lamps:
            # Counted from the start of the street, so that blocks do not show.
            offset = 0.0 if side > 0 else style.lamps / 2
            first = np.ceil((start - offset) / style.lamps) * style.lamps + offset
            for x in np.arange(first, start + BLOCK, style.lamps).tolist():
                yield self._put(
                    furniture.lamp_post(self._random(5, side)), x, side * clear, yaw=yaw
                )
        if style.utility_poles and side > 0:
            yield self._put(furniture.utility_pole(rng), start + 6, max(verge + 0.2, clear))
        if style.markers:
            first = start + 24.0 * self._random(7, side).random()
            for x in np.arange(first, start + BLOCK, 24.0).tolist():
                yield self._put(furniture.bollard(rng), x, side * (street.half_width + 0.6))
        if rng.random() < 0.6:
            facing = rng.uniform(-0.15, 0.15) + (0.0 if side < 0 else np.pi)
            x = start + rng.uniform(2, BLOCK - 2)
            yield self._put(furniture.road_sign(rng), x, side * (clear + 0.1), yaw=facing)
        if rng.random() < 0.35 and street.pavement > 1.2:
            x = start + rng.uniform(2, BLOCK - 2)
            yield self._put(
                furniture.dustbin(rng), x, side * max(pavement - 0.4, clear), yaw=rng.uniform(0, 6)
            )

    def _bound(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        """Rail, barrier or wall along one side of a large road, piece by piece along its bends."""
        style, street = self.style, self.style.street
        kind = style.bounds.sides.get(side, "none")
        if kind == "none":
            return
        clear = self._clear_lateral(side)
        lateral = clear + 0.35 if kind != "noise" else max(street.edges[-1], clear + 0.3) - 0.1
        yaw = 0.0 if side > 0 else np.pi
        for x in np.arange(start + _BOUND / 2, start + BLOCK, _BOUND).tolist():
            if kind == "rail":
                solids = structures.guard_rail(length=_BOUND)
            elif kind == "concrete":
                solids = structures.barrier(rng, length=_BOUND, height=0.9)
            else:
                works = style.bounds
                solids = structures.noise_wall(
                    rng,
                    length=_BOUND,
                    height=works.wall_height,
                    kind=works.wall_kind,
                    color=works.wall_color,
                )
            yield self._put(solids, x, side * lateral, yaw=yaw)

    def _median(self, start: float) -> Iterator[SolidSet]:
        """What divides the directions of a large road."""
        kind = self.style.bounds.median
        if kind == "none":
            return
        for x in np.arange(start + _BOUND / 2, start + BLOCK, _BOUND).tolist():
            if kind == "concrete":
                rng = self._random(12)  # all pieces are cast alike
                yield self._put(structures.barrier(rng, length=_BOUND, height=0.85), x, 0.0)
            else:
                for side in SIDES:
                    yaw = 0.0 if side < 0 else np.pi
                    yield self._put(structures.guard_rail(length=_BOUND), x, side * 0.14, yaw=yaw)

    def _bridge(self, rng: np.random.Generator, start: float) -> SolidSet:
        """Bridge over the road; in its block there is nothing but its embankments."""
        free = max(self._clear_lateral(side) for side in SIDES) + 0.8
        divided = self.style.bounds.median != "none" and rng.random() < 0.4
        solids = structures.bridge(rng, half_road=free, divided=divided)
        yaw = rng.uniform(-0.2, 0.2)
        return self._put(solids, start + BLOCK / 2, 0.0, yaw=yaw)

    def _gantry(self, rng: np.random.Generator, start: float) -> SolidSet:
        right = -self._clear_lateral(-1) - 0.9
        whole = rng.random() < 0.5 or self.style.bounds.median == "none"
        left = self._clear_lateral(1) + 0.9 if whole else 0.0
        lane = self.style.street.half_width / self.style.paving.lanes
        solids = structures.gantry(rng, left=left, right=right, lane=lane)
        return self._put(solids, start + rng.uniform(5, BLOCK - 5), 0.0)

    def _parked(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        street, lateral = self.style.street, self._parking_lateral()
        heavy = self._random(13, round(start / BLOCK), side)
        taken = -np.inf  # by a heavy vehicle, which takes two or three places
        for x in np.arange(start + 3.2, start + BLOCK - 2.8, _PARKING_PITCH).tolist():
            begins = heavy.random() < self.style.parked_heavy
            if begins and x > taken and x + 2 * _PARKING_PITCH < start + BLOCK:
                taken = x + 1.5 * _PARKING_PITCH
                solids = lorries.heavy(heavy, longest=11.0)
                pose = street.pose(
                    x + _PARKING_PITCH / 2, side * (lateral + 0.3), yaw=np.pi if side > 0 else 0.0
                )
                yield SolidSet.of(solids).moved(pose)
            if rng.random() < self.style.parked[side]:
                against = rng.random() < 0.1
                yaw = rng.uniform(-0.03, 0.03) + (np.pi if (side > 0) != against else 0.0)
                aside = lateral + rng.uniform(0.0, 0.2)
                pose = street.pose(x + rng.uniform(-0.4, 0.4), side * aside, yaw=yaw)
                car = SolidSet.of(vehicles.car(rng)).moved(pose)
                if x > taken:
                    yield car

    def _far_trees(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        """A line of trees in the distance, which closes the view between the houses."""
        if rng.random() < 0.8:
            trees = plants.grove(rng, length=BLOCK * 0.9, height=rng.uniform(9, 16))
            lateral = side * rng.uniform(45, 75)
            yield self._put(trees, start + BLOCK / 2, lateral, yaw=0.0 if side > 0 else np.pi)
