"""Messages of two topics that belong together because their stamps are near each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

#: Messages of each topic that wait for one of the other: of a LiDAR as many as turn up while a slow
#: network, or one that has just begun, works on one image.
ROOM = 30

#: A message and its stamp in nanoseconds.
_Stamped = tuple[int, Any]


class NearestPairing:
    """Pairs of messages that are the nearest to each other in time, within a limit, used once.

    A pair waits until nothing nearer can come: until the topic of its earlier message has gone on
    to the later one's stamp. Depth arrives after its scan, and an image between two scans would
    take the second one from the image of its very stamp. What waits in vain makes room in the order
    of its arrival.

    message_filters' ApproximateTimeSynchronizer (in Python) takes the first two that are near
    enough, and makes room by giving up the lowest stamp: once a simulation or a bag begins again,
    that is the newest message, and so every one of them.
    """

    def __init__(self, callback: Callable[[Any, Any], None], *, limit: int) -> None:
        """Wait for messages.

        Args:
            callback: takes pairs: of the first topic, of the second.
            limit: nanoseconds between their stamps.

        """
        self._callback, self._limit = callback, limit
        self._waiting: tuple[deque[_Stamped], deque[_Stamped]] = (deque(), deque())
        self._latest = [0, 0]  # stamps
        self._quiet = False  # whether nothing has come since the last look

    def add_first(self, message: Any) -> None:
        """Take a message of the first topic."""
        self._add(message, 0)

    def add_second(self, message: Any) -> None:
        """Take a message of the second topic."""
        self._add(message, 1)

    def look(self) -> None:
        """Let pairs wait no longer if the topics have stopped; to be called now and then."""
        if self._quiet:
            self._release(settled=True)
        self._quiet = True

    @property
    def nearest_miss(self) -> int | None:
        """Nanoseconds between the nearest of what waits; None if of a topic nothing, or a pair."""
        firsts, seconds = self._waiting
        least = min((abs(a - b) for a, _ in firsts for b, _ in seconds), default=0)
        return least if least > self._limit else None

    def _add(self, message: Any, side: int) -> None:
        own, stamp = self._waiting[side], _stamp(message)
        self._quiet = False
        if stamp < self._latest[side]:  # a bag or a simulation begins again
            self._release(settled=True)
        if len(own) == ROOM and not self._pair_off(own[0], side):
            own.popleft()
        own.append((stamp, message))
        self._latest[side] = stamp
        self._release()

    def _release(self, *, settled: bool = False) -> None:
        """Call back with the pairs that are settled: nothing nearer can come, or is waited for."""
        for second in list(self._waiting[1]):
            self._pair_off(second, 1, settled=settled)

    def _pair_off(self, one: _Stamped, side: int, *, settled: bool = True) -> bool:
        """Call back with a message that waits and its partner; False if it has none so far."""
        other = self._nearest(one, 1 - side)
        if other is None or self._nearest(other, side) is not one:
            return False
        first, second = (one, other) if side == 0 else (other, one)
        earlier = 0 if first[0] < second[0] else 1
        settled = settled or first[0] == second[0]
        if not settled and self._latest[earlier] < max(first[0], second[0]):
            return False
        self._waiting[0].remove(first)
        self._waiting[1].remove(second)
        self._callback(first[1], second[1])
        return True

    def _nearest(self, to: _Stamped, side: int) -> _Stamped | None:
        """What waits nearest to a message of the other topic, within the limit."""
        # Of equally near ones the last that arrived.
        near = min(reversed(self._waiting[side]), key=lambda one: abs(one[0] - to[0]), default=None)
        return None if near is None or abs(near[0] - to[0]) > self._limit else near


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
