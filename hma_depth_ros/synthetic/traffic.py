"""Everything that drives: cars and heavy vehicles ahead, beside, and coming the other way.

On ordinary streets cars keep their distances in two lanes. Where there are more lanes, convoys fill
the others: pieces of a lane, each with as many vehicles as it happens to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from hma_depth_ros.synthetic import lorries, vehicles
from hma_depth_ros.synthetic.solids import Doubles, SolidSet
from hma_depth_ros.synthetic.style import Style

_PIECE = 40.0  #: metres of a convoy that are drawn at a time
_AHEAD, _BEHIND = 150.0, 40.0  #: metres of traffic before and behind the camera
_SPEED = 10.0  #: metres per second of the own lane
_ONCOMING, _LEADING = 1, 2  #: lanes of ordinary streets
_LONGEST_CAR = 5.5  #: metres, more than any

Random = Callable[..., np.random.Generator]
Placed = tuple[SolidSet, Doubles]  #: vehicle and its pose


class Traffic:
    """Vehicles of one street."""

    def __init__(self, style: Style, random: Random) -> None:
        """Keep the street, and its source of random numbers by keys."""
        self._style, self._random = style, random
        self._vehicle = lru_cache(maxsize=64)(self._build_vehicle)
        self._piece = lru_cache(maxsize=64)(self._build_piece)

    def solids(self, x: float, time: float) -> SolidSet:
        """Vehicles on their way, when the camera is at x, `time` seconds after the start."""
        return SolidSet.union(vehicle.moved(pose) for vehicle, pose in self.placed(x, time))

    def placed(self, x: float, time: float) -> Iterator[Placed]:
        """Vehicles in their own frames, and where each is."""
        yield from self._lanes(x, time)
        yield from self._convoys(x, time)

    # ---- two lanes -----------------------------------------------------------------------------

    def _lanes(self, x: float, time: float) -> Iterator[Placed]:
        """Vehicles that keep their distances: oncoming, ahead, and one behind for the LiDAR."""
        style, street = self._style, self._style.street
        if not style.convoys.oncoming:
            yield from self._oncoming(x, time)
        if style.leading and not style.convoys.own:
            sway = 0.12 * style.leading * np.sin(0.35 * time)
            longer = 0.0  # than cars, those so far
            for number in range(3):
                vehicle = self._vehicle(_LEADING, number)
                excess = max(_length(vehicle) - _LONGEST_CAR, 0.0)
                place = x + style.leading * (1 + 1.6 * number) + sway + 4.0 + longer + excess / 2
                longer += excess
                yield vehicle, street.pose(place, style.ego_lateral)
        yield self._vehicle(_LEADING, -1), street.pose(x - 14.0, style.ego_lateral)

    def _oncoming(self, x: float, time: float) -> Iterator[Placed]:
        style, street = self._style, self._style.street
        rng = self._random(1)
        speed, gap = 9.0 + 4.0 * rng.random(), style.oncoming
        travelled = speed * time - gap * rng.random()
        ends = (x - _BEHIND + travelled, x + _AHEAD + travelled)
        first, last = (int(np.floor(end / gap)) for end in ends)
        for number in range(first, last + 1):
            jitter = 0.35 * gap * self._random(2, number).random()
            place = number * gap + jitter - travelled
            pose = street.pose(place, -style.ego_lateral, yaw=np.pi)
            yield self._vehicle(_ONCOMING, number), pose

    def _build_vehicle(self, lane: int, number: int) -> SolidSet:
        rng = self._random(9, lane, number)
        # The vehicle behind is near, and oncoming ones may be close to one another.
        longest = 0.65 * self._style.oncoming - 1.0 if lane == _ONCOMING else lorries.LONGEST
        behind = lane == _LEADING and number < 0
        if rng.random() < self._style.heavy and longest > 7.5 and not behind:
            return SolidSet.of(lorries.heavy(rng, longest=longest))
        return SolidSet.of(vehicles.car(self._random(3, lane, number)))

    # ---- convoys -------------------------------------------------------------------------------

    def _convoys(self, x: float, time: float) -> Iterator[Placed]:
        style, convoys = self._style, self._style.convoys
        for lane in convoys.ahead:
            rng = self._random(14, lane)
            speed = _SPEED + rng.uniform(-3.5, 2.5)
            start = speed * time + _PIECE * rng.random()
            yield from self._convoy(lane, x, start, style.lane_lateral(lane))
        for lane in convoys.oncoming:
            rng = self._random(14, -1 - lane)
            start = -rng.uniform(5.0, 13.0) * time + _PIECE * rng.random()
            yield from self._convoy(-1 - lane, x, start, -style.lane_lateral(lane), yaw=np.pi)
        if convoys.own:
            sway = 0.12 * convoys.headway * np.sin(0.35 * time)
            # The camera stays where a piece begins; what is behind it belongs to no convoy.
            start = x + convoys.headway + sway
            lateral = style.ego_lateral
            yield from self._convoy(style.ego_lane, x, start, lateral)

    def _convoy(
        self, lane: int, x: float, start: float, lateral: float, *, yaw: float = 0.0
    ) -> Iterator[Placed]:
        """Vehicles of a lane whose piece 0 begins at `start`; the own lane has none before that."""
        low, high = (int(np.floor((x + away - start) / _PIECE)) for away in (-_BEHIND, _AHEAD))
        if lane == self._style.ego_lane:
            low = 0
        for piece in range(low, high + 1):
            for offset, vehicle in self._piece(lane, piece):
                place = start + piece * _PIECE + offset
                yield vehicle, self._style.street.pose(place, lateral, yaw=yaw)

    def _build_piece(self, lane: int, piece: int) -> list[tuple[float, SolidSet]]:
        """Vehicles of a piece and the distances of their middles from its beginning."""
        style, rng = self._style, self._random(10, lane, piece)
        found = []
        end = 0.0 if piece == 0 and lane == style.ego_lane else float(rng.uniform(0.5, 4.0))
        while _PIECE - end > 7.0:
            room = _PIECE - end - 0.5
            if rng.random() < style.heavy and room > 7.5:
                vehicle = SolidSet.of(lorries.heavy(rng, longest=room))
            else:
                vehicle = SolidSet.of(vehicles.car(rng))
            length = _length(vehicle)
            if rng.random() < style.convoys.density or (end == 0.0 and piece == 0):
                found.append((end + length / 2, vehicle))
            end += length + float(rng.uniform(1.5, 7.0))
        return found


def _length(vehicle: SolidSet) -> float:
    along = vehicle.corners[..., 0]
    return float(along.max() - along.min())
