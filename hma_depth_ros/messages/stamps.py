"""Times of messages in nanoseconds, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

import struct
from typing import Any

_BILLION = 1_000_000_000


def raw_header_stamp(cdr: bytes | memoryview) -> int | None:
    """Nanoseconds of the header stamp of a serialised message whose first field is a header.

    None of a damaged message that is too short to have one.
    """
    if len(cdr) < 12:
        return None
    order = "<" if cdr[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", cdr, 4)
    return int(seconds) * _BILLION + int(nanoseconds)


def header_stamp(stamped: Any) -> int:
    """Nanoseconds of a message's header stamp, of rosbags' messages and of rclpy's alike."""
    stamp = stamped.header.stamp
    return int(stamp.sec) * _BILLION + int(stamp.nanosec)


def stamp_text(stamp: int) -> str:
    """Nanoseconds as seconds with all nine decimals, which a float would round."""
    seconds, nanoseconds = divmod(stamp, _BILLION)
    return f"{seconds}.{nanoseconds:09d}"
