"""The compressions of bags: of files, of messages, and of the chunks of an MCAP file.

A compressed part becomes no larger than `_MOST_BYTES`, however well it is packed: 32 kB can be made
to become a gigabyte.
"""

from __future__ import annotations

import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Where a message compressed by rosbag2 begins; all others begin with 0.
_ZSTD = b"\x28\xb5\x2f\xfd"
#: Of a message or a chunk. Chunks have a few megabytes, but for a larger message.
_MOST_BYTES = 1 << 30
#: Of a message or a chunk, which writers make one frame; what is behind each is copied.
_MOST_FRAMES = 100


def unpacked_message(data: bytes) -> bytes:
    """A message as it was published, whether rosbag2 compressed it or not.

    Raises:
        ValueError: it is cut short, or becomes too large.

    """
    return _inflated(zstd.ZstdDecompressor, data, _MOST_BYTES) if data[:4] == _ZSTD else data


def unpacked_file(source: Path, target: Path) -> Path:
    """Decompress a file to `target`, which is returned."""
    with source.open("rb") as raw, zstd.open(raw, "rb") as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out)
    return target


def unpacked_chunk(data: bytes, method: str, *, size: int, checksum: int) -> bytes:
    """Records of an MCAP chunk.

    Args:
        data: as stored.
        method: lz4, zstd, or nothing.
        size: of the result in bytes.
        checksum: CRC-32 of the result; 0 where there is none.

    Raises:
        ValueError: another method, or the result is not what was stored.

    """
    if method and size > _MOST_BYTES:
        raise ValueError(f"a chunk of {size} bytes is larger than {_MOST_BYTES}, the most")
    if method == "zstd":
        data = _inflated(zstd.ZstdDecompressor, data, size)
    elif method == "lz4":
        data = _inflated(lz4.frame.LZ4FrameDecompressor, data, size)
    elif method:
        raise ValueError(f"chunks compressed by '{method}' cannot be read, only by lz4 and zstd")
    if len(data) != size or (checksum and zlib.crc32(data) != checksum):
        raise ValueError("a chunk is damaged: its checksum or size is wrong")
    return data


class _Decompressor(Protocol):
    """Of one frame; zstd's and LZ4's alike."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _inflated(decompressor: Callable[[], _Decompressor], data: bytes, most: int) -> bytes:
    """All frames of `data`, decompressed piece by piece: their headers are not believed.

    Raises:
        ValueError: more than `most` bytes come of it, or the last frame is not whole.

    """
    pieces: list[bytes] = []
    left = most
    for _ in range(_MOST_FRAMES):
        if not data:
            return b"".join(pieces)
        frame = decompressor()
        given = data
        while not frame.eof:
            piece = frame.decompress(given, left + 1)
            given = b""
            left -= len(piece)
            if left < 0:
                raise ValueError(f"compressed data become more than {most} bytes")
            pieces.append(piece)
            if not piece and frame.needs_input and not frame.eof:
                raise ValueError("compressed data are cut short")
        data = frame.unused_data or b""
    raise ValueError(f"compressed data have more than {_MOST_FRAMES} frames")
