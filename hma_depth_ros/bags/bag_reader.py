"""Reading any rosbag2: mcap or sqlite3, plain or compressed, a folder or a single storage file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos
from rosbags.typesys.store import Typestore

from hma_depth_ros.bags.message_types import IMAGE_TYPES, TYPESTORE
from hma_depth_ros.errors import HmaDepthError

_MCAP_MAGIC = b"\x89MCAP0\r\n"


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
    """Reads a rosbag2; a context manager. Memory stays constant however long the bag is."""

    def __init__(self, path: Path) -> None:
        """Prepare to read `path`: a bag's folder, or one `.mcap` or `.db3` file.

        Raises:
            HmaDepthError: no such bag, or one that is damaged, naming what is wrong with it.

        """
        self.path = path.expanduser()
        _check_whole(self.path)
        with self._damage():
            self._reader = AnyReader([self.path], default_typestore=TYPESTORE)

    def __enter__(self) -> BagReader:
        with self._damage():
            self._reader.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader.close()

    @property
    def topics(self) -> dict[str, BagTopic]:
        """All topics by name, sorted."""
        by_topic = attrgetter("topic")
        topics = {}
        for name, group in groupby(sorted(self._reader.connections, key=by_topic), key=by_topic):
            connections = list(group)
            topics[name] = BagTopic(
                name=name,
                type=" or ".join(sorted({connection.msgtype for connection in connections})),
                count=sum(connection.msgcount for connection in connections),
                qos=tuple(qos for c in connections for qos in c.ext.offered_qos_profiles),
            )
        return topics

    @property
    def start(self) -> int:
        """Nanoseconds of the first message; 0 in an empty bag."""
        return int(self._reader.start_time) if self._reader.message_count else 0

    @property
    def end(self) -> int:
        """Nanoseconds of the last message; 0 in an empty bag."""
        return int(self._reader.end_time) - 1 if self._reader.message_count else 0

    @property
    def typestore(self) -> Typestore:
        """Definitions of the bag's messages."""
        return self._reader.typestore

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
        what = "has no topic" if found is None else f"has {found.type} on"
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
        connections = [
            connection
            for connection in self._reader.connections
            if topics is None or connection.topic in topics
        ]
        if not connections:  # to the library, no connection means every connection
            return
        records = self._reader.messages(connections, start=start, stop=stop)
        while True:
            with self._damage():
                record = next(records, None)
            if record is None:
                return
            connection, stamp, data = record
            yield BagMessage(connection.topic, connection.msgtype, stamp, data)

    def decode(self, message: BagMessage) -> Any:
        """Message as a dataclass whose numeric sequences are NumPy arrays.

        Raises:
            HmaDepthError: the bytes are no such message.

        """
        try:
            return self._reader.deserialize(message.data, message.type)
        except Exception as error:  # see _damage
            raise HmaDepthError(
                f"{self.path}: damaged {message.type} on {message.topic} at {message.stamp} ns "
                f"({len(message.data)} bytes)"
            ) from error

    @contextmanager
    def _damage(self) -> Iterator[None]:
        # The library answers damaged bytes with whatever its parsing stumbles over: TypeError,
        # struct.error, sqlite3 and zstd errors, assertions. Only its own calls are guarded.
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__  # YAML's takes four lines
            raise HmaDepthError(f"cannot read the bag {self.path}: {reason}") from error


def _check_whole(path: Path) -> None:
    """Name the common damages before the library meets them."""
    if not path.exists():
        raise HmaDepthError(f"no such bag: {path}")
    if path.suffix == ".bag":
        raise HmaDepthError(f"{path} is a ROS 1 bag; convert it with `rosbags-convert` first")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise HmaDepthError(
            f"{path} has no metadata.yaml: not a bag, or its recording was cut off; "
            "`ros2 bag reindex` rebuilds it, and a single .mcap or .db3 file can be named instead"
        )
    for file in path.glob("*.mcap") if path.is_dir() else [path]:
        if file.suffix == ".mcap" and not _ends_as_mcap(file):
            raise HmaDepthError(
                f"{file} is cut short: its index is missing, as after a recorder that was killed; "
                "`mcap recover` saves what is there"
            )


def _ends_as_mcap(file: Path) -> bool:
    with file.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - len(_MCAP_MAGIC)))
        return handle.read() == _MCAP_MAGIC
