"""Writing a rosbag2: one that is either whole or not there, or one that grows as it is recorded."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
    WriterError,
)
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys.store import Typestore

from hma_depth_ros.bags.recorded_qos import offered_qos
from hma_depth_ros.bags.typestore import TYPESTORE
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.signals import undivided


def check_type(topic: str, type_name: str, typestore: Typestore = TYPESTORE) -> None:
    """See that messages of a topic can be written.

    Raises:
        HmaDepthError: the type is not known.

    """
    if type_name not in typestore.types:
        raise HmaDepthError(
            f"topic {topic}: {type_name} is no standard message, and its definition is needed "
            "to write it into a bag; leave this topic out"
        )


class BagWriter:
    """Writes a rosbag2 folder; a context manager.

    What is computed can be computed again: everything goes to a hidden folder beside `path`,
    renamed to `path` when the block ends without an error and removed otherwise.

    What is recorded happens once: a `recording` lies at `path` from the start, as that of
    `ros2 bag record` does. However the block ends, the bag is completed; where that is impossible
    (kill -9, a full disk) the file has all that was saved, and `BagReader` reads it.
    """

    def __init__(
        self,
        path: Path,
        *,
        storage: StoragePlugin = StoragePlugin.MCAP,
        compressed: bool = False,
        recording: bool = False,
    ) -> None:
        """Prepare to write the folder `path`.

        Args:
            path: of the bag.
            storage: mcap or sqlite3.
            compressed: with zstd: the chunks of an mcap file, the messages of an sqlite3 file.
            recording: keep what there is whatever happens, instead of all or nothing.

        Raises:
            HmaDepthError: `path` exists, or its parent cannot be written.

        """
        self.path = path.expanduser().absolute()
        self._recording = recording
        self._connections: dict[str, Connection] = {}
        self._damaged = False  # the disk did not take something
        self._complete = False  # but not where it belongs
        self._removal: weakref.finalize[Any, Any] | None = None
        if self.path.exists():
            raise HmaDepthError(f"{path} exists already; remove it or choose another name")
        with self._disk_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if recording:
                self._workshop = self.path
                self._target = self.path
            else:
                with undivided():
                    folder = tempfile.mkdtemp(
                        prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent
                    )
                    # At the latest with this object or the process, if the block is never entered.
                    self._removal = weakref.finalize(self, shutil.rmtree, folder, True)
                self._workshop = Path(folder)
                # Its final name from the start, because its files and metadata repeat it.
                self._target = self._workshop / self.path.name
        self._writer = Writer(self._target, version=Writer.VERSION_LATEST, storage_plugin=storage)
        if compressed:
            mcap = storage is StoragePlugin.MCAP
            mode = CompressionMode.STORAGE if mcap else CompressionMode.MESSAGE
            self._writer.set_compression(mode, CompressionFormat.ZSTD)

    def __enter__(self) -> BagWriter:
        with self._disk_errors():
            self._writer.open()
        if self._recording:
            self.save()  # an MCAP file without messages, rather than an empty one
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        worth_keeping = error is None or (self._recording and self._has_messages)
        try:
            if worth_keeping and not self._damaged:
                self._finish()
            else:
                with suppress(OSError):  # what could not be written before cannot be now
                    self._writer.abort()
        finally:
            if self._complete and self._removal is not None:
                self._removal.detach()
            elif self._removal is not None:
                with undivided():
                    self._removal()  # and never again
            elif not worth_keeping:
                with undivided():
                    shutil.rmtree(self._workshop, ignore_errors=True)

    @property
    def _has_messages(self) -> bool:
        return any(self.counts.values())

    def save(self) -> None:
        """Hand all messages to the operating system, so that kill -9 loses none of them."""
        storage = self._writer.storage
        with self._disk_errors():
            if isinstance(storage, McapWriter):
                if storage.chunk.msgs:
                    storage.close_chunk()
                storage.bio.flush()
            elif isinstance(storage, Sqlite3Writer):
                storage.conn.commit()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far by topic, in the order in which the topics were added."""
        return {
            topic: self._writer.counts[connection.id]
            for topic, connection in self._connections.items()
        }

    def add_topic(
        self,
        topic: str,
        type_name: str,
        *,
        qos: Qos | None = None,
        typestore: Typestore = TYPESTORE,
    ) -> None:
        """Declare a topic before its first message.

        Args:
            topic: absolute name.
            type_name: such as `sensor_msgs/msg/Image`.
            qos: what its publisher offers; reliable and volatile unless told.
            typestore: where the type is defined; another bag's for a type of its own.

        Raises:
            HmaDepthError: the type is not known.

        """
        check_type(topic, type_name, typestore)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=typestore, offered_qos_profiles=[qos or offered_qos()]
        )

    def write(self, topic: str, stamp: int, message: Any) -> None:
        """Write a message of `bags.typestore.message` at a time in nanoseconds."""
        type_name = self._connections[topic].msgtype
        self.write_raw(topic, stamp, TYPESTORE.serialize_cdr(message, type_name))

    def write_raw(self, topic: str, stamp: int, cdr: bytes | memoryview) -> None:
        """Write a serialised message (CDR with its 4-byte header) at a time in nanoseconds.

        Raises:
            HmaDepthError: the disk is full, or MCAP has no such time (of a clock never set).

        """
        if stamp < 0 and not isinstance(self._writer.storage, Sqlite3Writer):
            raise HmaDepthError(
                f"cannot write the bag {self.path}: {topic} has a message at {stamp / 1e9:.9f} s, "
                "before 1970, where MCAP has no times; the storage sqlite3 has (--storage sqlite3)"
            )
        with self._disk_errors():
            self._writer.write(self._connections[topic], stamp, cdr)

    def _finish(self) -> None:
        with self._disk_errors():
            self._writer.close()
            for file in self._target.iterdir():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        if self._recording:
            return
        try:
            self._target.rename(self.path)
        except OSError as error:
            self._complete = True
            raise HmaDepthError(
                f"cannot write the bag {self.path}: {error.strerror}; it is complete in "
                f"{self._target}"
            ) from error

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, WriterError) as error:
            self._damaged = True
            reason = getattr(error, "strerror", None) or error
            kept = ""
            if self._recording and self._has_messages:
                kept = "; what was recorded before is kept there and can be read"
            raise HmaDepthError(f"cannot write the bag {self.path}: {reason}{kept}") from error
