"""Settings below ROS that decide whether images arrive: the DDS profile and the allocator."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import rclpy

from hma_depth_ros.assets import asset

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)

_SHARED_MEMORY = Path("/dev/shm")
#: Free bytes of it from which on the segment of 64 MiB that each process makes is no burden: the
#: camera, the node and two that listen.
_AMPLE = 4 * (64 << 20)
#: Ends of the profiles' names, for much and for little of it.
_LARGE, _SMALL = "large_messages", "small_shared_memory"
_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def fast_dds() -> int | None:
    """Major version of the Fast DDS that ROS has loaded into this process.

    None if ROS runs on another middleware. Neither ROS_DISTRO nor AMENT_PREFIX_PATH tells: they are
    those of a sourced ROS, also where the one from wheels runs.
    """
    identifier = rclpy.get_rmw_implementation_identifier()  # loads the library, if nothing has yet
    if not (identifier or "").startswith("rmw_fastrtps"):
        return None
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None  # not Linux, and no shared memory to set up
    # Up to version 2 the library is called libfastrtps, from 3 on libfastdds.
    found = re.search(r"/libfast(?:dds|rtps)\.so\.(\d+)", maps)
    return int(found[1]) if found else None


def profile_variable() -> str | None:
    """Environment variable that names a profile to the Fast DDS that is loaded; None if none is.

    Fast DDS 2 knows only the old name, and rmw_fastrtps warns of that one since Kilted.
    """
    version = fast_dds()
    if version is None:
        return None
    return _PROFILE_VARIABLES[version >= 3]


def large_message_profile() -> Path | None:
    """Path of the shipped profile for the Fast DDS that is loaded; None on another middleware.

    It is the one for little shared memory where little of it is free.
    """
    version = fast_dds()
    if version is None:
        return None
    kind = _LARGE if shutil.disk_usage(_SHARED_MEMORY).free >= _AMPLE else _SMALL
    return asset(f"fastdds{2 if version < 3 else ''}_{kind}.xml")


def profile_environment() -> dict[str, str]:
    """Variables that select the shipped profile; none if the user has chosen, or without Fast DDS.

    The user chooses by a profile of his own (by either variable, or as file in the current folder),
    or by FASTDDS_BUILTIN_TRANSPORTS, which a profile with transports would undo.
    """
    version = fast_dds()
    if version is None or _users_choice(os.environ, version):
        return {}
    return {str(profile_variable()): str(large_message_profile())}


def use_large_message_profile() -> None:
    """Select the shipped profile for this process unless the user has chosen otherwise.

    Says in one line on stderr if it is the one for little shared memory. To be called before
    `rclpy.init()`.
    """
    os.environ.update(profile_environment())
    if advice := _shared_memory_advice(os.environ):
        print(advice, file=sys.stderr, flush=True)


def transport_note() -> str | None:
    """What to tell a person about the transport that will be used; None if there is nothing."""
    version = fast_dds()
    if version is not None and (choice := _users_choice(os.environ, version)):
        return (
            f"transport as chosen by {choice}; large images may be lost (docs/node.md, 'Transport')"
        )
    return _shared_memory_advice(profile_environment())


def large_message_cure() -> str:
    """Two sentences for a warning that images do not arrive; nothing on another middleware."""
    profile = large_message_profile()
    if profile is None:
        return ""
    return (
        "Images of more than half a megabyte are lost by default in Fast DDS: start the publisher "
        f"with {profile_variable()}={profile} (docs/node.md, 'Transport'). Else: "
    )


def _shared_memory_advice(environment: Mapping[str, str]) -> str | None:
    """What to do about too little shared memory; None where its profile is not selected."""
    selected = [environment.get(name, "") for name in _PROFILE_VARIABLES]
    if not any(Path(path).name.endswith(f"{_SMALL}.xml") for path in selected):
        return None
    total, _, free = shutil.disk_usage(_SHARED_MEMORY)
    return (
        f"{_SHARED_MEMORY} has {total / 1e6:.0f} MB, {free / 1e6:.0f} of them free: each process "
        "takes 8 MiB of it instead of 64, and large clouds arrive more slowly; in Docker start the "
        "container with --shm-size=512m or --ipc=host"
    )


def _users_choice(environment: Mapping[str, str], version: int) -> str | None:
    """Variable or file by which the user has said how Fast DDS shall transport; None if neither."""
    for name in (*_PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"):
        if environment.get(name):
            return name
    name = "DEFAULT_FASTRTPS_PROFILES.xml" if version < 3 else "DEFAULT_FASTDDS_PROFILES.xml"
    is_read = environment.get("SKIP_DEFAULT_XML_FILE") != "1" and Path(name).exists()
    return name if is_read else None


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
