"""ROS message types as plain dataclasses over NumPy arrays, for tools that run without ROS."""

from __future__ import annotations

from typing import Any

from rosbags.typesys import Stores, get_typestore

#: The standard messages; those that the package uses have not changed since ROS 2 Humble.
TYPESTORE = get_typestore(Stores.ROS2_KILTED)

_BILLION = 1_000_000_000


def message(type_name: str, **fields: Any) -> Any:
    """New message; every field must be given.

    Raises:
        TypeError: a field is missing or does not exist.

    """
    return TYPESTORE.types[type_name](**fields)


def header(stamp: int, frame: str) -> Any:
    """std_msgs/Header of a time in nanoseconds and a frame."""
    seconds, nanoseconds = divmod(stamp, _BILLION)
    time = message("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return message("std_msgs/msg/Header", stamp=time, frame_id=frame)
