"""Writing a rosbag2 that is either whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from rosbags.typesys.store import Typestore

from hma_depth_ros.bags.message_types import TYPESTORE
from hma_depth_ros.bags.qos import offered_qos
from hma_depth_ros.errors import HmaDepthError


class BagWriter:
    """Writes a rosbag2 folder; a context manager.

    Everything goes to a hidden folder beside `path`, renamed to `path` when the block ends without
    an error and removed otherwise.
    """

    def __init__(
        self,
        path: Path,
        *,
        storage: StoragePlugin = StoragePlugin.MCAP,
        compressed: bool = False,
    ) -> None:
        """Prepare to write the folder `path`.

        Args:
            path: of the bag.
            storage: mcap or sqlite3.
            compressed: with zstd: the chunks of an mcap file, the messages of an sqlite3 file.

        Raises:
            HmaDepthError: `path` exists, or its parent cannot be written.

        """
        self.path = path.expanduser().absolute()
        if self.path.exists():
            raise HmaDepthError(f"{path} exists already; remove it or choose another name")
        with self._disk_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._workshop = Path(
                tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=".part", dir=self.path.parent)
            )
        # The bag has its final name from the start, because its files and metadata repeat it.
        self._writer = Writer(
            self._workshop / self.path.name,
            version=Writer.VERSION_LATEST,
            storage_plugin=storage,
        )
        if compressed:
            mcap = storage is StoragePlugin.MCAP
            mode = CompressionMode.STORAGE if mcap else CompressionMode.MESSAGE
            self._writer.set_compression(mode, CompressionFormat.ZSTD)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        with self._disk_errors():
            self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
            else:
                self._writer.abort()
        finally:
            shutil.rmtree(self._workshop, ignore_errors=True)

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
        if type_name not in typestore.types:
            raise HmaDepthError(
                f"topic {topic}: {type_name} is no standard message, and its definition is needed "
                "to write it into a bag; leave this topic out"
            )
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=typestore, offered_qos_profiles=[qos or offered_qos()]
        )

    def write(self, topic: str, stamp: int, message: Any) -> None:
        """Write a message of `bags.message_types` at a time in nanoseconds."""
        type_name = self._connections[topic].msgtype
        self.write_raw(topic, stamp, TYPESTORE.serialize_cdr(message, type_name))

    def write_raw(self, topic: str, stamp: int, cdr: bytes | memoryview) -> None:
        """Write a serialised message (CDR with its 4-byte header) at a time in nanoseconds."""
        with self._disk_errors():
            self._writer.write(self._connections[topic], stamp, cdr)

    def _finish(self) -> None:
        with self._disk_errors():
            self._writer.close()
            for file in self._writer.path.iterdir():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
            self._writer.path.rename(self.path)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HmaDepthError(
                f"cannot write the bag {self.path}: {error.strerror or error}"
            ) from error
        except WriterError as error:
            raise HmaDepthError(f"cannot write the bag {self.path}: {error}") from error
