"""Settings below ROS that decide whether images arrive: the DDS profile and the allocator."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from hma_depth_ros.inference.bundled import asset

#: Fast DDS 2 knows only the variable's old name, of which later ones warn, and other names of some
#: elements: it refuses a profile with one that it does not know altogether, as Fast DDS 3 does.
_IS_FAST_DDS_2 = os.environ.get("ROS_DISTRO") in {"humble", "iron", "jazzy"}

#: Environment variable that names the profile for this installation.
PROFILE_VARIABLE = (
    "FASTRTPS_DEFAULT_PROFILES_FILE" if _IS_FAST_DDS_2 else "FASTDDS_DEFAULT_PROFILES_FILE"
)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def large_message_profile() -> Path:
    """Path of the shipped Fast DDS profile for this installation."""
    return asset(f"fastdds{'2' if _IS_FAST_DDS_2 else ''}_large_messages.xml")


def use_large_message_profile() -> None:
    """Select the shipped profile for this process unless the user has selected one.

    Must run before `rclpy.init()`. Other middlewares ignore the variable.
    """
    if not any(name.endswith("_DEFAULT_PROFILES_FILE") for name in os.environ):
        os.environ[PROFILE_VARIABLE] = str(large_message_profile())


def large_message_cure() -> str:
    """Two sentences for a warning that images do not arrive."""
    return (
        "Images of more than half a megabyte are lost by default in Fast DDS: start the publisher "
        f"with {PROFILE_VARIABLE}={large_message_profile()} (README, 'Transport'). Else: "
    )


def tune_malloc() -> bool:
    """Keep freed memory of up to 32 MiB a block, instead of returning it after every message.

    By default glibc maps each large message anew and the kernel zeroes its pages; only both
    thresholds together stop that. The process keeps up to 256 MiB more. False where the C library
    has no mallopt.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 32 << 20) and mallopt(_M_TRIM_THRESHOLD, 256 << 20))
