"""What a storage file of a bag offers, whatever its format, and merging by time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Qos

Stamps = npt.NDArray[np.int64]


class Definition(NamedTuple):
    """How a file defines a message type."""

    format: str  #: ros2msg, ros2idl, jsonschema, protobuf ...; empty where it says nothing
    text: str


@dataclass(frozen=True)
class Channel:
    """Messages of one topic, type and publisher, as a file declares them."""

    id: int  #: in its file
    topic: str
    type: str  #: empty where the file names none
    encoding: str  #: of the messages: cdr, json ...
    definition: Definition
    digest: str  #: hash of the type (RIHS01), where the file has it
    qos: tuple[Qos, ...]
    count: int  #: messages


class StoredMessage(NamedTuple):
    """A message as it lies in a file."""

    stamp: int  #: nanoseconds
    channel: int
    data: bytes


class Storage(Protocol):
    """An open storage file."""

    channels: list[Channel]
    span: tuple[int, int] | None  #: nanoseconds of the first and last message; None if empty
    cut_short: str | None  #: what is missing at the end of the file

    def messages(
        self, channels: Collection[int], start: int | None, stop: int | None
    ) -> Iterator[StoredMessage]:
        """Messages of some channels in order of time, from `start` to before `stop`."""
        ...

    def stamps(self, channels: Collection[int]) -> Stamps:
        """Nanoseconds of all messages of some channels, in any order, without their content."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class _Stamped(Protocol):
    @property
    def stamp(self) -> int: ...


Item = TypeVar("Item", bound=_Stamped)


def in_order(
    sources: Iterable[tuple[int, Callable[[], Iterator[Item]]]],
) -> Iterator[Item]:
    """Merge sources that are each in order of time.

    A source is opened only when its time has come: of the chunks of a long bag, or of its files,
    only those that overlap are in memory.

    Args:
        sources: the time of each one's first message, or one before it, and what opens it.

    """
    waiting = deque(sorted(enumerate(sources), key=lambda entry: entry[1][0]))
    heap: list[tuple[int, int, Item, Iterator[Item]]] = []
    while waiting or heap:
        while waiting and (not heap or waiting[0][1][0] <= heap[0][0]):
            number, (_, opened) = waiting.popleft()
            messages = opened()
            if (first := next(messages, None)) is not None:
                heappush(heap, (first.stamp, number, first, messages))
        if not heap:
            continue
        _, number, message, messages = heap[0]
        yield message
        if (following := next(messages, None)) is None:
            heappop(heap)
        else:
            heapreplace(heap, (following.stamp, number, following, messages))
