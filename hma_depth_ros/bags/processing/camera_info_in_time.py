"""Which CameraInfo of a bag belongs to an image, the same wherever in the bag one begins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from hma_depth_ros.bags.reader import BagMessage, BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.stamps import header_stamp

#: Nanoseconds by which image and calibration of a moment may be apart in a bag.
_MARGIN = 1_000_000_000


class Calibrations:
    """CameraInfo messages of a topic, around the part of the bag that is being read.

    That of the image's own stamp counts, else the latest before it, else the first one of all: as
    they would reach a node, but for those that come a little after their image.
    """

    def __init__(self, bag: BagReader, topic: str) -> None:
        """Read from an open bag."""
        self._bag = bag
        self._topic = topic
        self._infos: dict[int, Any] = {}  # by header stamp
        self._stamps: list[int] = []
        self._otherwise: Any = None  # for images before all of these
        self._times = bag.stamps([topic])  # of all, in the bag

    def move_to(self, start: int, stop: int) -> None:
        """Read what belongs to images that lie from `start` to `stop` in the bag, in nanoseconds.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        begin = start - _MARGIN
        raws = list(self._bag.messages([self._topic], start=begin, stop=stop + _MARGIN))
        infos = list(self._whole(raws))
        self._infos = {header_stamp(info): info for info in infos}
        self._stamps = sorted(self._infos)
        earlier = None
        if not raws or raws[0].stamp > start:
            earlier = self._last_before(begin)
        self._otherwise = earlier or (infos[0] if infos else self._first())

    def _whole(self, raws: Iterable[BagMessage]) -> Iterator[Any]:
        """Those that are not damaged: one is like the other."""
        for raw in raws:
            with suppress(HmaDepthError):
                yield self._bag.decode(raw)

    def of(self, stamp: int) -> Any | None:
        """CameraInfo of an image by its header's stamp; None if the bag has none at all."""
        if stamp in self._infos:
            return self._infos[stamp]
        before = bisect_right(self._stamps, stamp)
        return self._infos[self._stamps[before - 1]] if before else self._otherwise

    def _last_before(self, stop: int) -> Any | None:
        # Without reading all that lies before, which would cost more with each part.
        number = int(np.searchsorted(self._times, stop))
        if number == 0:
            return None
        time = int(self._times[number - 1])
        found = list(self._whole(self._bag.messages([self._topic], start=time, stop=time + 1)))
        return found[-1] if found else None

    def _first(self) -> Any | None:
        return next(self._whole(self._bag.messages([self._topic])), None)
