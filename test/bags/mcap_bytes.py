"""MCAP files of any content, byte by byte (https://mcap.dev/spec)."""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass, field

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"\x89MCAP0\r\n"


@dataclass
class Mcap:
    """Records of a file that is to be; every channel has a schema of its own."""

    profile: str = "ros2"
    compression: str = ""
    checksum: int | None = None  # of the chunk, instead of the right one
    declarations: list[bytes] = field(default_factory=list)
    messages: list[tuple[int, int, bytes]] = field(default_factory=list)  # time, channel, content

    def add(
        self,
        topic: str,
        schema: tuple[str, str, bytes] | None,
        contents: dict[int, bytes],
        *,
        encoding: str = "cdr",
    ) -> None:
        """Add a channel (its schema: name, encoding, definition) and its messages by time."""
        number = len(self.declarations) // 2 + 1
        if schema is None:
            self.declarations.append(b"")
        else:
            name, language, text = schema
            fields = struct.pack("<H", number) + _text(name) + _text(language)
            self.declarations.append(_record(3, fields + struct.pack("<I", len(text)) + text))
        fields = struct.pack("<HH", number, number if schema else 0) + _text(topic)
        self.declarations.append(_record(4, fields + _text(encoding) + struct.pack("<I", 0)))
        self.messages += [(time, number, content) for time, content in contents.items()]

    def whole(self) -> bytes:
        """One chunk, its message indexes and a summary, as rosbag2 writes it."""
        head = self._head()
        records = b"".join(self.declarations) + b"".join(self._records())
        times = [time for time, _, _ in self.messages]
        span = struct.pack("<QQ", min(times), max(times))
        checksum = zlib.crc32(records) if self.checksum is None else self.checksum
        stored = {"lz4": lz4.frame.compress, "zstd": zstd.compress}.get(self.compression, bytes)(
            records
        )
        body = struct.pack("<QI", len(records), checksum) + _text(self.compression)
        chunk = _record(6, span + body + struct.pack("<Q", len(stored)) + stored)
        indexes, offsets, counts = b"", b"", b""
        for channel in sorted({channel for _, channel, _ in self.messages}):
            own = [struct.pack("<QQ", t, 0) for t, c, _ in self.messages if c == channel]
            offsets += struct.pack("<HQ", channel, len(head) + len(chunk) + len(indexes))
            counts += struct.pack("<HQ", channel, len(own))
            listed = b"".join(own)
            indexes += _record(7, struct.pack("<HI", channel, len(listed)) + listed)
        data = head + chunk + indexes + _record(15, bytes(4))
        sizes = _text(self.compression) + struct.pack("<QQ", len(stored), len(records))
        chunk_index = _record(
            8,
            span
            + struct.pack("<QQ", len(head), len(chunk))
            + _blob(offsets)
            + struct.pack("<Q", len(indexes))
            + sizes,
        )
        numbers = struct.pack("<QHIIII", len(self.messages), 0, 0, 0, 0, 1)
        statistics = _record(11, numbers + span + _blob(counts))
        summary = b"".join(self.declarations) + chunk_index + statistics
        footer = _record(2, struct.pack("<QQI", len(data), 0, 0))
        return data + summary + footer + MAGIC

    def bare(self) -> bytes:
        """Messages outside chunks and no summary, as a simple writer streams them."""
        body = b"".join(self.declarations) + b"".join(self._records())
        return self._head() + body + _record(15, bytes(4)) + _record(2, bytes(20)) + MAGIC

    def _head(self) -> bytes:
        return MAGIC + _record(1, _text(self.profile) + _text("a test"))

    def _records(self) -> list[bytes]:
        return [
            _record(5, struct.pack("<HIQQ", channel, 0, time, time) + content)
            for time, channel, content in self.messages
        ]


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<BQ", kind, len(content)) + content


def _text(text: str) -> bytes:
    return _blob(text.encode())


def _blob(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data
