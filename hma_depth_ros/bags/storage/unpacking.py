"""The compressions of bags: of files, of messages, and of the chunks of an MCAP file."""

from __future__ import annotations

import shutil
import sys
import zlib
from pathlib import Path

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Where a message compressed by rosbag2 begins; all others begin with 0.
_ZSTD = b"\x28\xb5\x2f\xfd"


def unpacked_message(data: bytes) -> bytes:
    """A message as it was published, whether rosbag2 compressed it or not."""
    return zstd.decompress(data) if data[:4] == _ZSTD else data


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
    if method == "zstd":
        data = zstd.decompress(data)
    elif method == "lz4":
        data = lz4.frame.decompress(data)
    elif method:
        raise ValueError(f"chunks compressed by '{method}' cannot be read, only by lz4 and zstd")
    if len(data) != size or (checksum and zlib.crc32(data) != checksum):
        raise ValueError("a chunk is damaged: its checksum or size is wrong")
    return data
