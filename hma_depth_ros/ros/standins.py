"""Stand-ins for ROS packages that exist in a distribution but not as Python wheels.

Each is used only where the import of the real one fails, does no more than this package needs, and
passes the same tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SimpleFilter:
    """`message_filters.SimpleFilter`: passes messages on to callbacks."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802
        """Call `callback(message, ..., *args)` for what this filter lets through."""
        self._callbacks.append((callback, args))

    def signalMessage(self, *messages: Any) -> None:  # noqa: N802
        """Pass messages on."""
        for callback, args in self._callbacks:
            callback(*messages, *args)


class TimeSynchronizer(SimpleFilter):
    """`message_filters.TimeSynchronizer`: sets of messages with one stamp."""

    def __init__(self, inputs: list[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self._queue_size = queue_size
        self._queues: list[dict[tuple[int, int], Any]] = [{} for _ in inputs]
        for source, queue in zip(inputs, self._queues, strict=True):
            source.registerCallback(self._add, queue)

    def _add(self, message: Any, queue: dict[tuple[int, int], Any]) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        queue[stamp] = message
        while len(queue) > self._queue_size:
            del queue[min(queue)]
        if all(stamp in q for q in self._queues):
            self.signalMessage(*(q.pop(stamp) for q in self._queues))
