"""MCAP files (https://mcap.dev/spec), whatever else than ROS messages they hold.

rosbags reads only files of the profile ros2 in which every schema is a ROS one, and only whole
files. Here a file may hold channels of any encoding, and may end anywhere.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hma_depth_ros.bags.recorded_qos import recorded_qos
from hma_depth_ros.bags.storage.storage_file import (
    Channel,
    Definition,
    Stamps,
    StoredMessage,
    in_order,
)
from hma_depth_ros.bags.storage.unpacking import unpacked_chunk

MAGIC = b"\x89MCAP0\r\n"

_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _INDEX, _CHUNK_INDEX = range(2, 9)
_STATISTICS, _DATA_END = 0x0B, 0x0F

_RECORD = struct.Struct("<BQ")  # kind and length of a record
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, time in the bag, time of publishing
_FOOTER_LENGTH = 20

#: Bytes of bare messages, outside chunks, that are read and sorted together.
_STRETCH = 8 << 20
#: Latest time in nanoseconds.
_LAST = 2**63 - 1
#: First and last time of a part without messages.
_NEVER = (2**63 - 1, -1)


class McapError(Exception):
    """A file that is not what it says."""


@dataclass
class _Part:
    """Messages that are read together: a chunk, or a stretch of bare messages."""

    offset: int  # of its first record
    size: int
    is_chunk: bool
    start: int = _NEVER[0]
    end: int = _NEVER[1]
    channels: set[int] | None = None  # that have messages in it; None where that is not known
    indexes: int = 0  # bytes of message indexes behind a chunk


@dataclass
class _Contents:
    """What a file holds."""

    schemas: dict[int, tuple[str, Definition]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    parts: list[_Part] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)  # messages by channel
    span: tuple[int, int] | None = None
    cut_short: str | None = None


class _Fields:
    """Reads the fields of a record one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def blob(self, size: int) -> bytes:
        found = self._data[self.at : self.at + size]
        if len(found) < size:
            raise McapError("a record ends in the midst of a field")
        self.at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.blob(size), "little")

    def text(self) -> str:
        # A schema may be anything, protobuf's a binary.
        return self.blob(self.number(4)).decode("utf-8", "backslashreplace")


class McapFile:
    """An MCAP file, open for reading; see `Storage`."""

    def __init__(self, path: Path) -> None:
        """Open a file and find out what it holds.

        Raises:
            McapError: not an MCAP file, or one that is damaged.

        """
        self._file = path.open("rb")
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            if self._size < len(MAGIC) or self._read(0, len(MAGIC)) != MAGIC:
                raise McapError("it is no MCAP file")
            contents = self._from_summary() or _scanned(self._file, self._size)
        except BaseException:
            self._file.close()
            raise
        self._parts = contents.parts
        self.span = contents.span
        self.cut_short = contents.cut_short
        self.channels = [
            replace(channel, count=contents.counts[channel.id])
            for channel in contents.channels.values()
        ]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def messages(
        self, channels: Collection[int], start: int | None, stop: int | None
    ) -> Iterator[StoredMessage]:
        """See `Storage`.

        Raises:
            McapError: the file is damaged.

        """
        wanted = frozenset(channels)
        parts = [
            part
            for part in self._parts
            if (start is None or part.end >= start)
            and (stop is None or part.start < stop)
            and (part.channels is None or not wanted.isdisjoint(part.channels))
        ]
        return in_order(
            [(part.start, partial(self._of_part, part, wanted, start, stop)) for part in parts]
        )

    def _of_part(
        self, part: _Part, wanted: frozenset[int], start: int | None, stop: int | None
    ) -> Iterator[StoredMessage]:
        found = [
            message
            for message in _messages(self._records_of(part))
            if message.channel in wanted
            and (start is None or message.stamp >= start)
            and (stop is None or message.stamp < stop)
        ]
        found.sort(key=lambda message: message.stamp)
        return iter(found)

    def stamps(self, channels: Collection[int]) -> Stamps:
        """See `Storage`: from the indexes behind the chunks, where there are any.

        Raises:
            McapError: the file is damaged.

        """
        wanted = frozenset(channels)
        times: list[Stamps] = [np.zeros(0, np.int64)]
        for part in self._parts:
            if part.channels is not None and wanted.isdisjoint(part.channels):
                continue
            if part.indexes:
                times += self._indexed_stamps(part, wanted)
            else:
                found = [m.stamp for m in _messages(self._records_of(part)) if m.channel in wanted]
                times.append(np.array(found, np.int64))
        return np.concatenate(times)

    def _indexed_stamps(self, part: _Part, wanted: frozenset[int]) -> Iterator[Stamps]:
        data = self._read(part.offset + part.size, part.indexes)
        for kind, begin, end in _records(data):
            record = _Fields(data[begin:end])
            if kind == _INDEX and record.number(2) in wanted:
                entries = np.frombuffer(record.blob(record.number(4)), "<u8")
                times = entries[::2]  # each is followed by a place
                _check_time(int(times.max(initial=0)))
                yield times.astype(np.int64)

    def _records_of(self, part: _Part) -> bytes:
        data = self._read(part.offset, part.size)
        return _chunk_records(data[_RECORD.size :]) if part.is_chunk else data

    def _read(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= offset + size <= self._size:  # room for `size` is made first
            raise McapError(
                f"a record of {size} bytes at {offset} is not in a file of {self._size}"
            )
        # Threads and iterators read at the same time: they must not share a position in the file.
        data = os.pread(self._file.fileno(), size, offset)
        while len(data) < size:  # a call gives 2 GB at most
            more = os.pread(self._file.fileno(), size - len(data), offset + len(data))
            if not more:
                raise McapError(f"the file ends {size - len(data)} bytes before a record does")
            data += more
        return data

    def _from_summary(self) -> _Contents | None:
        """What the summary at the end tells; None if there is none, or not a whole one."""
        length = _RECORD.size + _FOOTER_LENGTH + len(MAGIC)
        footer = self._size - length
        if footer < len(MAGIC):
            return None
        end = self._read(footer, length)
        if _RECORD.unpack_from(end) != (_FOOTER, _FOOTER_LENGTH) or not end.endswith(MAGIC):
            return None
        (summary,) = struct.unpack_from("<Q", end, _RECORD.size)
        if not len(MAGIC) < summary < footer:
            return None
        contents = _Contents()
        has_statistics = False
        data = self._read(summary, footer - summary)
        try:
            for kind, begin, stop in _records(data):
                record = _Fields(data[begin:stop])
                if kind == _CHUNK_INDEX:
                    contents.parts.append(_indexed_chunk(record))
                elif kind == _STATISTICS:
                    has_statistics = True
                    contents.counts, contents.span = _statistics(record)
                else:
                    _declare(contents, kind, record)
        except McapError:
            return None
        # Of one chunk listed a thousand times, a thousand copies would be in memory at once.
        ends = sorted((part.offset, part.offset + part.size) for part in contents.parts)
        if any(end > following for (_, end), (following, _) in pairwise(ends)):
            return None
        # A writer may leave out any of it, and bare messages are in no index.
        messages = contents.counts.total()
        complete = has_statistics and contents.counts.keys() <= contents.channels.keys()
        return contents if complete and (contents.parts or not messages) else None


def _scanned(file: BinaryIO, size: int) -> _Contents:
    """What a file without a summary holds, as far as it goes."""
    contents = _Contents()
    at = file.seek(len(MAGIC))
    whole = False
    while at + _RECORD.size <= size:
        kind, length = _RECORD.unpack(file.read(_RECORD.size))
        if whole := kind in (_DATA_END, _FOOTER):
            break
        if kind == 0:  # a power cut may leave a file of zeros
            break
        end = at + _RECORD.size + length
        data = file.read(min(end, size) - at - _RECORD.size)
        if end > size:
            if kind != _CHUNK or not (head := _chunk_head(data)) or head.compression:
                break
            at = file.seek(at + _RECORD.size + head.size)  # what of the chunk is there
            continue
        if kind == _CHUNK:
            _take_chunk(contents, _Part(at, end - at, is_chunk=True), data)
        elif kind == _MESSAGE:
            last = contents.parts[-1] if contents.parts else None
            if last is None or last.is_chunk or end - last.offset > _STRETCH:
                last = _Part(at, 0, is_chunk=False)
                contents.parts.append(last)
            last.size = end - last.offset
            _count(contents, last, data)
        else:
            _declare(contents, kind, _Fields(data))
        at = end
    if not whole:
        contents.cut_short = f"{contents.counts.total()} messages in {at} of {size} bytes are whole"
    if contents.parts:
        contents.span = (min(p.start for p in contents.parts), max(p.end for p in contents.parts))
    return contents


def _take_chunk(contents: _Contents, part: _Part, data: bytes) -> None:
    records = _chunk_records(data)
    for kind, begin, end in _records(records):
        if kind == _MESSAGE:
            _count(contents, part, records[begin : begin + _MESSAGE_HEAD.size])
        else:
            _declare(contents, kind, _Fields(records[begin:end]))
    if part.channels:
        contents.parts.append(part)


def _count(contents: _Contents, part: _Part, message: bytes) -> None:
    channel, _, stamp, _ = _MESSAGE_HEAD.unpack_from(message)
    _check_time(stamp)
    part.start, part.end = min(part.start, stamp), max(part.end, stamp)
    part.channels = part.channels or set()
    part.channels.add(channel)
    contents.counts[channel] += 1


def _declare(contents: _Contents, kind: int, record: _Fields) -> None:
    """Take a schema or a channel; other records are passed over."""
    if kind == _SCHEMA:
        number = record.number(2)
        name, encoding = record.text(), record.text()
        contents.schemas[number] = (name, Definition(encoding, record.text()))
    elif kind == _CHANNEL:
        number, schema = record.number(2), record.number(2)
        topic, encoding = record.text(), record.text()
        end = record.number(4) + record.at
        metadata = {}
        while record.at < end:
            key = record.text()
            metadata[key] = record.text()
        type_name, definition = contents.schemas.get(schema, ("", Definition("", "")))
        contents.channels[number] = Channel(
            id=number,
            topic=topic,
            type=type_name,
            encoding=encoding,
            definition=definition,
            digest="",
            qos=recorded_qos(metadata.get("offered_qos_profiles", "")),
            count=0,
        )


def _indexed_chunk(record: _Fields) -> _Part:
    start, end, offset, size = (record.number(8) for _ in range(4))
    listed = record.blob(record.number(4))
    channels = {number for number, _ in struct.iter_unpack("<HQ", listed)}
    indexes = record.number(8)
    return _Part(offset, size, True, start, end, channels or None, indexes if channels else 0)


def _statistics(record: _Fields) -> tuple[Counter[int], tuple[int, int] | None]:
    count = record.number(8)
    record.blob(2 + 4 * 4)  # how many schemas, channels, attachments, metadata and chunks
    span = (record.number(8), record.number(8))
    counts = Counter(dict(struct.iter_unpack("<HQ", record.blob(record.number(4)))))
    return counts, span if count else None


def _check_time(stamp: int) -> None:
    """See that a time is one, and no mark of a writer's for none.

    Raises:
        McapError: it does not fit into what ROS has for times.

    """
    if stamp > _LAST:
        raise McapError(f"a message has the time {stamp} ns, beyond the year 2262")


@dataclass(frozen=True)
class _ChunkHead:
    size: int  # of the head itself
    uncompressed: int
    checksum: int
    compression: str
    compressed: int


def _chunk_head(data: bytes) -> _ChunkHead | None:
    """Head of a chunk; None where it is not whole."""
    record = _Fields(data)
    try:
        record.blob(16)  # first and last time
        uncompressed, checksum = record.number(8), record.number(4)
        compression, compressed = record.text(), record.number(8)
    except McapError:
        return None
    return _ChunkHead(record.at, uncompressed, checksum, compression, compressed)


def _chunk_records(data: bytes) -> bytes:
    """Records of a chunk, decompressed."""
    head = _chunk_head(data)
    if head is None or len(data) < head.size + head.compressed:
        raise McapError("a chunk is not whole")
    stored = data[head.size : head.size + head.compressed]
    return unpacked_chunk(stored, head.compression, size=head.uncompressed, checksum=head.checksum)


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of each record in `data`."""
    at = 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise McapError("a record is not whole")
        kind, length = _RECORD.unpack_from(data, at)
        begin, at = at + _RECORD.size, at + _RECORD.size + length
        if at > len(data):
            raise McapError(f"a record of {length} bytes is longer than what holds it")
        yield kind, begin, at


def _messages(records: bytes) -> Iterator[StoredMessage]:
    for kind, begin, end in _records(records):
        if kind != _MESSAGE:
            continue
        if end - begin < _MESSAGE_HEAD.size:
            raise McapError("a message is not whole")
        channel, _, stamp, _ = _MESSAGE_HEAD.unpack_from(records, begin)
        yield StoredMessage(stamp, channel, records[begin + _MESSAGE_HEAD.size : end])
