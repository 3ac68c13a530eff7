"""Whether there is a ROS 2 in this Python, and one that is new enough."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from hma_depth_ros.errors import HmaDepthError

#: Major version of rclpy in ROS 2 Jazzy, the oldest distribution that will do.
_OLDEST = 7
#: Those before, by the same number.
_NAMES = {0: "Eloquent or older", 1: "Foxy", 2: "Galactic", 3: "Humble", 4: "Iron"}


def check_ros() -> None:
    """See that rclpy can be imported, and that it is Jazzy's or a later one's.

    The version is that of the package that Python finds; ROS_DISTRO may speak of another one.

    Raises:
        HmaDepthError: there is none, it is made for another Python, or it is too old.

    """
    try:
        import rclpy  # noqa: F401  # of a ROS for another Python, its compiled part is not found
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        python = f"{sys.executable} (Python {sys.version_info.major}.{sys.version_info.minor})"
        raise HmaDepthError(
            f"{python} has no ROS 2: {reason}. Source /opt/ros/DISTRO/setup.bash and use that "
            "ROS's Python, or use the environment that `make venv` creates"
        ) from error
    found = _rclpy_version()
    major, _, _ = found.partition(".")
    if major.isdecimal() and int(major) < _OLDEST:
        name = _NAMES.get(int(major), "older than Jazzy")
        raise HmaDepthError(
            f"ROS 2 is too old: rclpy {found} ({name}) is installed, and Jazzy (rclpy {_OLDEST}) "
            "or a later one is needed"
        )


def _rclpy_version() -> str:
    """Version of rclpy, or nothing where its installation does not say."""
    try:
        return version("rclpy")
    except PackageNotFoundError:
        return ""
