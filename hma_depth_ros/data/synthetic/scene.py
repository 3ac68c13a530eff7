"""The whole scene: a street without end, built block by block, and the traffic on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np

from hma_depth_ros.data.synthetic import furniture, houses, plants, vehicles
from hma_depth_ros.data.synthetic.solids import Doubles, Solid, SolidSet
from hma_depth_ros.data.synthetic.street import rotation_z
from hma_depth_ros.data.synthetic.style import Style

BLOCK = 48.0  #: metres of street that are built at a time
AHEAD = 210.0  #: metres of street that exist before the camera
BEHIND = 70.0  #: and behind it, for the LiDAR and for shadows

Side = Literal[-1, 1]  #: right, left of the street


class Scene:
    """Street of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.style = Style.random(self._rng(0))
        self.block = lru_cache(maxsize=32)(self._build_block)
        self._cars = lru_cache(maxsize=256)(self._build_car)

    def _rng(self, *keys: int) -> np.random.Generator:
        """Random numbers that depend on the seed and the keys alone."""
        return np.random.default_rng([self.seed, *(key & 0xFFFFFFFF for key in keys)])

    def standing(self, x: float) -> SolidSet:
        """Everything that does not move, around a place on the street."""
        first, last = (int(np.floor((x + d) / BLOCK)) for d in (-BEHIND, AHEAD))
        return SolidSet.union(self.block(index) for index in range(first, last + 1))

    def traffic(self, x: float, time: float) -> SolidSet:
        """Cars on their way, when the camera is at x, `time` seconds after the start."""
        return SolidSet.union(
            self._cars(lane, number).moved(pose) for lane, number, pose in self._positions(x, time)
        )

    def landscape(self, x: float) -> SolidSet:
        """Wooded hills at the horizon. They keep their distance: at 1 km nobody can tell."""
        rng = self._rng(6)
        hills = []
        for angle in np.arange(0, 2 * np.pi, 0.3) + rng.uniform(0, 0.3):
            distance = rng.uniform(900, 1800)
            away = rotation_z(angle)
            away[:3, 3] = away[:3, 0] * distance + [x, 0, 0]
            height = distance * rng.uniform(0.008, 0.045)
            solids = plants.hill(rng, width=distance * rng.uniform(0.25, 0.6), height=height)
            hills.append(SolidSet.of(solids).moved(away))
        return SolidSet.union(hills)

    def _positions(self, x: float, time: float) -> Iterator[tuple[int, int, Doubles]]:
        """Lane, number and pose of each car in view. Cars of a lane keep their distances."""
        style, street = self.style, self.style.street
        speed = 9.0 + 4.0 * float(self._rng(1).random())
        gap = style.oncoming
        start = gap * float(self._rng(1, 1).random())
        front = x + 150 + speed * time  # where the car that is now 150 m ahead was at the start
        for number in range(int(np.floor((x - 40 + speed * time) / gap)), int(front / gap) + 1):
            jitter = 0.35 * gap * float(self._rng(2, number).random())
            place = number * gap + start + jitter - speed * time
            yield 1, number, street.pose(place, -style.ego_lateral, yaw=np.pi)
        if style.leading:
            sway = 0.12 * style.leading * np.sin(0.35 * time)
            for number in range(3):
                place = x + style.leading * (1 + 1.6 * number) + sway + 4.0
                yield 2, number, street.pose(place, style.ego_lateral)
        yield 2, -1, street.pose(x - 14.0, style.ego_lateral)

    def _build_car(self, lane: int, number: int) -> SolidSet:
        return SolidSet.of(vehicles.car(self._rng(3, lane, number)))

    def _build_block(self, index: int) -> SolidSet:
        parts = []
        for side in (-1, 1):
            rng = self._rng(4, index, side)
            start = index * BLOCK
            parts += [*self._lots(rng, start, side), *self._roadside(rng, start, side)]
            if side == 1:
                parts += self._horizon(rng, start)
        return SolidSet.union(parts)

    def _put(
        self, solids: list[Solid], x: float, lateral: float, *, yaw: float = 0.0
    ) -> SolidSet:
        """Place an object at the height of the ground there."""
        street = self.style.street
        z = 0.0 if abs(lateral) < street.half_width else street.kerb_height
        return SolidSet.of(solids).moved(street.pose(x, lateral, z=z, yaw=yaw))

    def _lots(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        """Houses, gardens, woods and what bounds them, lot by lot."""
        frontage, street = self.style.frontage, self.style.street
        edge = street.edges[-1]
        yaw = 0.0 if side > 0 else np.pi
        row = rng.random() < frontage.row
        lots = int(rng.integers(2, 5))
        widths = rng.uniform(0.7, 1.3, lots)
        widths *= BLOCK / widths.sum()
        ends = np.cumsum(widths)
        for width, end in zip(widths, ends, strict=True):
            x = start + end - width / 2
            wood = rng.random() < frontage.wood
            setback = rng.uniform(*frontage.setback)
            if wood:
                height = rng.uniform(7, 14)
                yield self._put(plants.grove(rng, length=width, height=height), x,
                                side * (edge + 2.5 + height * 0.15 + setback * 0.5), yaw=yaw)
                continue
            bounded = rng.random() < frontage.boundary and setback > 1.2
            if bounded:
                yield self._put(self._boundary(rng, width - 0.4), x, side * (edge + 0.5), yaw=yaw)
            house_depth = rng.uniform(8, 12)
            if rng.random() < frontage.house:
                storeys = int(rng.integers(frontage.storeys[0], frontage.storeys[1] + 1))
                front = width - 0.05 if row else min(width - 2.5, rng.uniform(8, 15))
                solids = houses.house(rng, width=max(front, 5.0), depth=house_depth,
                                      storeys=storeys, flat=rng.random() < frontage.flat_roof)
                yield self._put(solids, x, side * (edge + setback + 0.4), yaw=yaw)
                if not row and width - front > 6.5:
                    yield self._put(houses.garage(rng, width=3.2), x + front / 2 + 2.2,
                                    side * (edge + setback + 2), yaw=yaw)
                room = setback - 2.0
            else:
                room = setback + house_depth
            for _ in range(rng.poisson(frontage.garden_trees)):
                deep = max(room, 0.0) * rng.random() + 1.3
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
        """Parked cars, trees, posts and signs between carriageway and lots."""
        style, street = self.style, self.style.street
        _, kerb, pavement, verge = street.edges
        strip = max(verge - 0.6, kerb + 0.35) if street.verge < 1 else (pavement + verge) / 2
        yaw = 0.0 if side > 0 else np.pi
        if style.street_trees:
            for x in np.arange(start + rng.uniform(1, 4), start + BLOCK - 2, style.street_trees):
                tree = plants.broadleaf(rng, height=rng.uniform(6, 11))
                yield self._put(tree, x + rng.uniform(-0.6, 0.6), side * strip)
        if style.lamps:
            offset = 0 if side > 0 else style.lamps / 2
            first = np.ceil((start - offset) / style.lamps) * style.lamps + offset
            for x in np.arange(first, start + BLOCK, style.lamps):
                yield self._put(furniture.lamp_post(self._rng(5, side)), x, side * (kerb + 0.35),
                                yaw=yaw)
        if style.utility_poles and side > 0:
            yield self._put(furniture.utility_pole(rng), start + 6, side * (verge + 0.2), yaw=yaw)
        if style.markers:
            for x in np.arange(start + 5, start + BLOCK, 24.0):
                yield self._put(furniture.bollard(rng), x, side * (street.half_width + 0.6))
        if rng.random() < 0.6:
            yaw_sign = rng.uniform(-0.15, 0.15) + (0.0 if side < 0 else np.pi)
            yield self._put(furniture.road_sign(rng), start + rng.uniform(2, BLOCK - 2),
                            side * (kerb + 0.45), yaw=yaw_sign)
        if rng.random() < 0.35 and street.pavement > 1.2:
            yield self._put(furniture.bin_(rng), start + rng.uniform(2, BLOCK - 2),
                            side * (pavement - 0.4), yaw=rng.uniform(0, 6))
        yield from self._parked(rng, start, side)

    def _parked(self, rng: np.random.Generator, start: float, side: Side) -> Iterator[SolidSet]:
        style, street = self.style, self.style.street
        share = style.parked[0 if side < 0 else 1]
        free = street.half_width / style.paving.lanes  # width of the outer lane
        # On a narrow street cars stand half on the pavement.
        lateral = street.half_width - 1.0 if free > 4.4 else street.half_width + 0.25
        if free < 3.6 and street.pavement < 1.0:
            return
        for x in np.arange(start + 3.2, start + BLOCK - 2.8, 6.1):
            if rng.random() < share:
                solids = vehicles.car(rng)
                heading = rng.uniform(-0.03, 0.03) + (np.pi if (side > 0) != (rng.random() < 0.1)
                                                      else 0.0)
                pose = street.pose(x + rng.uniform(-0.4, 0.4),
                                   side * (lateral + rng.uniform(-0.1, 0.15)), yaw=heading)
                yield SolidSet.of(solids).moved(pose)

    def _horizon(self, rng: np.random.Generator, start: float) -> Iterator[SolidSet]:
        """A line of far trees on both sides, which closes the view between the houses."""
        for side in (-1, 1):
            if rng.random() < 0.8:
                height = rng.uniform(9, 16)
                solids = plants.grove(rng, length=BLOCK * 0.9, height=height)
                yield self._put(solids, start + BLOCK / 2, side * rng.uniform(45, 75),
                                yaw=0.0 if side > 0 else np.pi)
