"""Frames of drives divided into lists by stretches of road.

Frames a few metres apart show the same street. Drawn at random they would fall on both sides of a
split, and figures would tell how well a network remembers. So whole stretches go to one list, and
between lists, also where the car comes by a second time, frames are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: A road is cut into this many stretches at least: seven, two and one of ten, say.
_LEAST_STRETCHES = 10
#: Share of a stretch that the gap takes at most.
_LARGEST_GAP = 0.25
#: Metres between what cannot be compared.
_ELSEWHERE = 1e8
NO_LIST = -1


@dataclass(frozen=True)
class RoadFrames:
    """Where frames were taken; all of N frames, drive by drive in the order of time."""

    way: Floats  #: (N,) metres since the beginning of the drive
    drive: Integers  #: (N,) what was driven in one go
    place: Floats  #: (N, 3) metres
    map: Integers  #: (N,) places of one map can be compared


@dataclass(frozen=True)
class Division:
    """What became of the frames."""

    stretch: Integers  #: (N,)
    list: Integers  #: (N,) number of the list, `NO_LIST` in the gaps
    length: float  #: metres of a stretch
    gap: float  #: metres kept free between lists


def divide_by_stretches(
    frames: RoadFrames, shares: Sequence[float], *, length: float, gap: float
) -> Division:
    """Divide frames into lists of about these shares.

    Stretches go in turn to the list that lacks most, so that each list has some of the whole road.
    Frames nearer than the gap to one of a later list are left out, so the last list stays whole.

    Args:
        frames: not none.
        shares: of the lists, which sum to 1; the last ones, which figures are taken on, are usually
            the small ones.
        length: metres of a stretch, less on a short road.
        gap: metres between frames of different lists, a quarter of a stretch at most.

    """
    starts = np.r_[True, frames.drive[1:] != frames.drive[:-1]]
    ends = np.r_[starts[1:], True]
    total = float((frames.way[ends] - frames.way[starts]).sum())
    length = min(length, max(total / _LEAST_STRETCHES, 1e-3))
    gap = min(gap, _LARGEST_GAP * length)
    origin = frames.way[starts][np.cumsum(starts) - 1]
    number = np.floor((frames.way - origin) / length + 1e-9).astype(np.int64)
    pairs = np.column_stack([np.cumsum(starts), number])
    stretch = np.cumsum(np.r_[False, (pairs[1:] != pairs[:-1]).any(axis=1)]).astype(np.int64)
    sizes = np.bincount(stretch)
    lists = np.zeros(sizes.size, np.int64)
    wanted, given = np.asarray(shares, np.float64), np.zeros(len(shares))
    for index, size in enumerate(sizes):
        lacks = wanted * (given.sum() + size) - given
        lists[index] = int(np.argmax(np.where(wanted > 0, lacks, -np.inf)))
        given[lists[index]] += size
    chosen = lists[stretch]
    places = frames.place + np.outer(frames.map, [_ELSEWHERE, 0, 0])
    kept = chosen.copy()
    for which in range(len(shares) - 1):
        later, own = chosen > which, chosen == which
        if later.any() and own.any():
            distance, _ = cKDTree(places[later]).query(places[own])
            kept[np.flatnonzero(own)[distance < gap]] = NO_LIST
    return Division(stretch, kept, length, gap)
