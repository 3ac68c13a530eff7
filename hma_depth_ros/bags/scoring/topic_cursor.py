"""Messages of a topic by number, for readers that mostly go forward."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from hma_depth_ros.bags.reader import BagMessage, BagReader
from hma_depth_ros.messages.stamps import raw_header_stamp

#: Messages kept for threads that ask a little out of order.
_KEPT = 8


class TopicCursor:
    """One topic of a bag; a context manager, for several threads.

    Going forward costs one pass through the bag and constant memory; going back is possible.
    """

    def __init__(self, path: Path, topic: str, *types: str) -> None:
        """Open the bag.

        Raises:
            HmaDepthError: it cannot be read, or has no such topic of one of `types`.

        """
        self.topic = topic
        self._bag = BagReader(path)
        self._bag.__enter__()
        try:
            self._bag.topic(topic, *types)
        except BaseException:
            self.close()
            raise
        self._lock = Lock()
        self._times: list[int] = []  # in the bag
        self._kept: OrderedDict[int, BagMessage] = OrderedDict()
        self._messages: Iterator[BagMessage] = iter(())
        self._next = 0

    def __enter__(self) -> TopicCursor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the bag."""
        self._bag.__exit__(None, None, None)

    def stamps(self) -> list[int]:
        """Header stamps of all messages in nanoseconds, by their numbers; to be called first.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        stamps = []
        for raw in self._bag.messages([self.topic]):
            self._times.append(raw.stamp)
            stamp = raw_header_stamp(raw.data)
            # A damaged message shows when it is read; until then it has its time in the bag.
            stamps.append(raw.stamp if stamp is None else stamp)
        self._messages = self._bag.messages([self.topic])
        return stamps

    def times(self) -> list[int]:
        """Nanoseconds at which each message was recorded; known after `stamps`."""
        return list(self._times)

    def time(self, number: int) -> int:
        """Nanoseconds at which the message of that number was recorded."""
        return self._times[number]

    def read(self, number: int) -> Any:
        """Decode the message of that number.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        with self._lock:
            if number not in self._kept and number < self._next:
                self._go_back_to(number)
            while number >= self._next:
                self._kept[self._next] = next(self._messages)
                self._next += 1
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._bag.decode(self._kept[number])

    def _go_back_to(self, number: int) -> None:
        self._kept.clear()
        self._messages = self._bag.messages([self.topic], start=self._times[number])
        self._next = bisect_left(self._times, self._times[number])
