"""ROS message types as plain dataclasses over NumPy arrays, for tools that run without ROS."""

from __future__ import annotations

import struct
from typing import Any

from rosbags.typesys import Stores, get_typestore

#: The standard messages; those that the package uses have not changed since ROS 2 Humble.
TYPESTORE = get_typestore(Stores.ROS2_KILTED)

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
IMU = "sensor_msgs/msg/Imu"
NAV_SAT_FIX = "sensor_msgs/msg/NavSatFix"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)

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
    """Nanoseconds of a message's header stamp, of this module's messages and of rclpy's alike."""
    stamp = stamped.header.stamp
    return int(stamp.sec) * _BILLION + int(stamp.nanosec)


def stamp_text(stamp: int) -> str:
    """Nanoseconds as seconds with all nine decimals, which a float would round."""
    seconds, nanoseconds = divmod(stamp, _BILLION)
    return f"{seconds}.{nanoseconds:09d}"
