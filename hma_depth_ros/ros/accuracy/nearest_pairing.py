"""Messages of two topics that belong together because their stamps are near each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

#: Messages of each topic that wait for one of the other: of a LiDAR as many as turn up while a slow
#: network, or one that has just begun, works on one image.
ROOM = 30


class NearestPairing:
    """Each message with the one of the other topic nearest in time, within a limit, used once.

    What waits in vain makes room in the order of its arrival. message_filters, whose
    ApproximateTimeSynchronizer pairs alike, gives up the lowest stamp instead: once a simulation or
    a bag begins again, that is the newest message, and so every one of them.
    """

    def __init__(self, callback: Callable[[Any, Any], None], *, limit: int) -> None:
        """Wait for messages.

        Args:
            callback: takes pairs: of the first topic, of the second.
            limit: nanoseconds between their stamps.

        """
        self._callback, self._limit = callback, limit
        self._waiting: tuple[deque[Any], deque[Any]] = (deque(maxlen=ROOM), deque(maxlen=ROOM))
        #: Nanoseconds between the two stamps that were nearest since the last pair; None if nothing
        #: of both topics has come since.
        self.nearest_miss: int | None = None

    def add_first(self, message: Any) -> None:
        """Take a message of the first topic."""
        if (other := self._partner(message, 0)) is not None:
            self._callback(message, other)

    def add_second(self, message: Any) -> None:
        """Take a message of the second topic."""
        if (other := self._partner(message, 1)) is not None:
            self._callback(other, message)

    def _partner(self, message: Any, side: int) -> Any:
        """The other topic's message, which waits no longer; None if this one has to wait."""
        others, stamp = self._waiting[1 - side], _stamp(message)
        distances = [abs(_stamp(other) - stamp) for other in others]
        if distances and min(distances) <= self._limit:
            # Of equally near ones the last that arrived.
            index = max(i for i, distance in enumerate(distances) if distance == min(distances))
            partner = others[index]
            del others[index]
            self.nearest_miss = None
            return partner
        self._waiting[side].append(message)
        if distances:
            self.nearest_miss = min(*distances, self.nearest_miss or distances[0])
        return None


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
