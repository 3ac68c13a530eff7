"""Reading any rosbag2: mcap or sqlite3, plain or compressed, a folder or a single storage file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from rosbags.interfaces import Qos
from rosbags.typesys.store import Typestore

from hma_depth_ros.bags.storage.bag_files import find_files, open_storage
from hma_depth_ros.bags.storage.definitions import (
    DefinitionError,
    Definitions,
    as_in_ros_2,
    reason_to_leave_out,
)
from hma_depth_ros.bags.storage.storage_file import Channel, Stamps, Storage, in_order
from hma_depth_ros.bags.storage.unpacking import unpacked_message
from hma_depth_ros.errors import HmaDepthError, errors_as, one_line
from hma_depth_ros.messages.types import IMAGE_TYPES

#: Messages of a topic that are tried for one that is whole.
_FEW = 10


@dataclass(frozen=True)
class BagTopic:
    """What a bag says of a topic."""

    name: str
    type: str  #: such as `sensor_msgs/msg/Image`
    count: int  #: messages
    qos: tuple[Qos, ...]  #: what the publishers offered, as far as recorded


class BagMessage(NamedTuple):
    """A message as it lies in the bag."""

    topic: str
    type: str
    stamp: int  #: nanoseconds, when it was recorded; the header's stamp is in the message
    data: bytes  #: CDR with its 4-byte header


class BagReader:
    """Reads a rosbag2; a context manager. Memory stays constant however long the bag is.

    What is no ROS 2 message (events of services, JSON of other programs) is left out by name, and
    a file that was cut short is read as far as it goes; `remarks` says so.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to read `path`: a bag's folder, or one `.mcap` or `.db3` file.

        Raises:
            HmaDepthError: no such bag, or one that is damaged, naming what is wrong with it.

        """
        self.path = path.expanduser()
        with self._damage():
            self._files = find_files(self.path)
        self._definitions = Definitions()
        self._opened: list[tuple[Path, Storage]] = []
        self._damaged: list[str] = []  # files of several that cannot be opened, and why
        self._channels: dict[str, list[tuple[Storage, Channel]]] = {}  # by topic
        self.topics: dict[str, BagTopic] = {}  #: all that can be read, by name, sorted
        self.left_out: dict[str, str] = {}  #: why topics are not among them, by name
        self.remarks: list[str] = []  #: what a user should know, a sentence each

    def __enter__(self) -> BagReader:
        self._stack = ExitStack()
        try:
            with self._damage():
                self._opened = self._open()
        except BaseException:
            self._stack.close()
            raise
        self._sort_topics()
        self._collect_remarks()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _open(self) -> list[tuple[Path, Storage]]:
        """Files of the bag. Of several, one that cannot be opened does not spoil the others.

        Raises:
            ValueError: none can be opened.

        """
        opened: list[tuple[Path, Storage]] = []
        problems: list[ValueError] = []
        for file in self._files.files:
            try:
                opened.append((file, open_storage(file, self._stack)))
            except ValueError as error:
                problems.append(error)
        if problems and not opened:
            raise problems[0]
        self._damaged = [one_line(problem) for problem in problems]
        return opened

    @property
    def _storages(self) -> list[Storage]:
        return [storage for _, storage in self._opened]

    def _sort_topics(self) -> None:
        channels = [(s, as_in_ros_2(channel)) for s in self._storages for channel in s.channels]
        usable: dict[str, list[tuple[Storage, Channel]]] = {}
        for storage, channel in sorted(channels, key=lambda pair: pair[1].topic):
            if (reason := reason_to_leave_out(channel)) is None:
                usable.setdefault(channel.topic, []).append((storage, channel))
            else:
                self.left_out[channel.topic] = reason
        for name, pairs in usable.items():
            types = sorted({channel.type for _, channel in pairs})
            if len(types) > 1:
                self.left_out[name] = f"messages of several types ({', '.join(types)})"
                continue
            self._channels[name] = pairs
            recorded = [qos for _, channel in pairs for qos in channel.qos]
            self.topics[name] = BagTopic(
                name=name,
                type=types[0],
                count=sum(channel.count for _, channel in pairs),
                qos=self._files.qos.get(name) or tuple(recorded),
            )

    def _collect_remarks(self) -> None:
        self.remarks = [f"{self.path}: {self._files.remark}"] if self._files.remark else []
        self.remarks += [f"{self.path}: left out: {problem}" for problem in self._damaged]
        for file, storage in self._opened:
            if storage.cut_short is not None:
                self.remarks.append(
                    f"{file} is cut short, as after a recorder that was killed or a full disk: "
                    f"{storage.cut_short}"
                )
        if self.left_out:
            named = ", ".join(f"{name}: {reason}" for name, reason in sorted(self.left_out.items()))
            self.remarks.append(f"{self.path}: left out: {named}")

    @property
    def start(self) -> int:
        """Nanoseconds of the first message; 0 in an empty bag."""
        return self._span[0]

    @property
    def end(self) -> int:
        """Nanoseconds of the last message; 0 in an empty bag."""
        return self._span[1]

    @cached_property
    def _span(self) -> tuple[int, int]:
        if self.left_out:  # whose times do not count
            stamps = self.stamps()
            return (int(stamps[0]), int(stamps[-1])) if stamps.size else (0, 0)
        spans = [storage.span for storage in self._storages if storage.span]
        return min((s[0] for s in spans), default=0), max((s[1] for s in spans), default=0)

    def typestore(self, topic: str) -> Typestore | None:
        """Definition of a topic's messages; None if it cannot be used or is not known."""
        try:
            return self._definitions.typestore(self._channels[topic][0][1])
        except DefinitionError:
            return None

    def first(self, topic: str) -> Any:
        """First message of a topic that is not damaged, among the first few.

        Raises:
            HmaDepthError: there is none.

        """
        damage: HmaDepthError | None = None
        for raw in islice(self.messages([topic]), _FEW):
            try:
                return self.decode(raw)
            except HmaDepthError as error:
                damage = damage or error
        raise damage or HmaDepthError(f"{self.path} has no message on {topic}")

    def topics_of(self, *types: str) -> list[str]:
        """Names of the topics that have one of `types`."""
        return [topic.name for topic in self.topics.values() if topic.type in types]

    def topic(self, name: str, *types: str) -> BagTopic:
        """Topic of that name, which must have one of `types` if any are given.

        Raises:
            HmaDepthError: no such topic, or of another type; lists those that would do.

        """
        found = self.topics.get(name)
        if found is not None and (not types or found.type in types):
            return found
        wanted = types or IMAGE_TYPES
        candidates = self.topics_of(*wanted)
        kind = " or ".join(sorted({wanted_type.rpartition("/")[2] for wanted_type in wanted}))
        choice = ", ".join(candidates) if candidates else "none"
        if found is not None:
            what = f"has {found.type} on"
        elif name in self.left_out:
            what = f"has {self.left_out[name]} on"
        else:
            what = "has no topic"
        raise HmaDepthError(f"{self.path} {what} {name}; topics with {kind}: {choice}")

    def messages(
        self,
        topics: Collection[str] | None = None,
        *,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[BagMessage]:
        """Messages in the order of their time in the bag.

        Args:
            topics: only these; all by default.
            start: nanoseconds of the first message wanted.
            stop: nanoseconds of the first message not wanted any more.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        with self._damage():
            sources = []
            for storage, channels in self._by_storage(topics):
                if storage.span is not None:
                    begin = storage.span[0] if start is None else max(start, storage.span[0])
                    opened = partial(_messages_of, storage, channels, start, stop)
                    sources.append((begin, opened))
            records = in_order(sources)
        while True:
            with self._damage():
                record = next(records, None)
            if record is None:
                return
            yield record

    def stamps(self, topics: Collection[str] | None = None) -> Stamps:
        """Nanoseconds of all messages in the bag, sorted, without reading their content.

        Raises:
            HmaDepthError: the storage is damaged.

        """
        with self._damage():
            found = [storage.stamps(list(c)) for storage, c in self._by_storage(topics)]
            return np.sort(np.concatenate([np.zeros(0, np.int64), *found]))

    def _by_storage(
        self, topics: Collection[str] | None
    ) -> Iterator[tuple[Storage, dict[int, Channel]]]:
        wanted = self._channels if topics is None else topics
        for storage in self._storages:
            channels = {
                channel.id: channel
                for name in wanted
                for owner, channel in self._channels.get(name, ())
                if owner is storage
            }
            if channels:
                yield storage, channels

    def decode(self, message: BagMessage) -> Any:
        """Message as a dataclass whose numeric sequences are NumPy arrays.

        Raises:
            HmaDepthError: the bytes are no such message, or the type is not defined.

        """
        try:
            store = self._definitions.typestore(self._channels[message.topic][0][1])
        except DefinitionError as error:
            raise HmaDepthError(f"{self.path}: {message.topic}: {error}") from error
        try:
            return store.deserialize_cdr(message.data, message.type)
        except Exception as error:  # see _damage
            raise HmaDepthError(
                f"{self.path}: damaged {message.type} on {message.topic} at {message.stamp} ns "
                f"({len(message.data)} bytes)"
            ) from error

    def _damage(self) -> AbstractContextManager[None]:
        # Damaged bytes are answered with whatever the parsing of a format stumbles over: the
        # formats' own errors, struct.error, sqlite3 and zstd errors. Only that is guarded.
        return errors_as(f"cannot read the bag {self.path}")


def _messages_of(
    storage: Storage, channels: dict[int, Channel], start: int | None, stop: int | None
) -> Iterator[BagMessage]:
    for stamp, number, data in storage.messages(list(channels), start, stop):
        channel = channels[number]
        yield BagMessage(channel.topic, channel.type, stamp, unpacked_message(data))
