"""rclpy from start to shutdown, ended by signals in good order."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.logging import LoggingSeverity, get_logger_level, set_logger_level
from rclpy.signals import SignalHandlerOptions

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.transport import use_large_message_profile
from hma_depth_ros.signals import heard_by

#: Seconds that a node has for its end. Python, ROS and torch need a part of the 1.5 that it takes.
PATIENCE = 1.2

_RCL = "rcl"  # logger
#: The highest for which RTPS has ports (DDSI-RTPS 2.5, section 9.6.2).
_LAST_DOMAIN = 232


class StopRequest(threading.Event):
    """Set when the session is to end; `then` is called at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._calls: list[Callable[[], object]] = []

    def then(self, call: Callable[[], object]) -> None:
        """Call this when the request comes, in the thread that makes it; now, if it has come."""
        with self._lock:
            if not self.is_set():
                self._calls.append(call)
                return
        call()

    def set(self) -> None:
        """Make the request."""
        with self._lock:
            super().set()
            calls, self._calls = self._calls, []
        for call in calls:
            call()


def split_ros_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and those between `--ros-args` and `--` with the former.

    rclpy's `remove_ros_args` would also take every `a:=b` for itself, as ROS 1 did.
    """
    arguments = list(argv)
    if "--ros-args" not in arguments:
        return arguments, []
    begin = arguments.index("--ros-args")
    end = arguments.index("--", begin) if "--" in arguments[begin:] else len(arguments)
    return arguments[:begin] + arguments[end + 1 :], arguments[begin:end]


@contextmanager
def ros_session(
    ros_args: Sequence[str], *, patience: float | None = PATIENCE
) -> Iterator[StopRequest]:
    """Initialise rclpy with ROS arguments; yield an event that says stop.

    Signals set the event and leave ROS running, where rclpy's own handlers would shut it down at
    once: a recorder still has messages to take, a node frames to finish. To be entered in the main
    thread.

    Args:
        ros_args: `--ros-args ...`.
        patience: seconds that an executable may take to end after a signal; None: as long as it
            needs, since something would be lost.

    Raises:
        HmaDepthError: rclpy does not take the arguments, or cannot start.

    """
    stop = StopRequest()
    with heard_by(stop.set, patience=patience):
        use_large_message_profile()
        start_ros(ros_args)
        try:
            yield stop
        finally:
            rclpy.try_shutdown()


def start_ros(
    arguments: Sequence[str] = (), *, context: Context | None = None, domain: int | None = None
) -> None:
    """Initialise rclpy, which leaves the signals alone.

    Args:
        arguments: `--ros-args ...`.
        context: instead of the default one.
        domain: instead of ROS_DOMAIN_ID.

    Raises:
        HmaDepthError: it does not take the arguments, or cannot start.

    """
    with ros_errors("ROS does not start"):
        _check_domain()
        # rcl logs what it raises, in other words.
        set_logger_level(_RCL, LoggingSeverity.FATAL)
        try:
            rclpy.init(
                args=list(arguments),
                context=context,
                domain_id=domain,
                signal_handler_options=SignalHandlerOptions.NO,
            )
        finally:
            if get_logger_level(_RCL) == LoggingSeverity.FATAL:  # none was given in the arguments
                set_logger_level(_RCL, LoggingSeverity.UNSET)


@contextmanager
def ros_errors(what: str) -> Iterator[None]:
    """Turn what rclpy raises for a wrong argument or environment into one line.

    Raises:
        HmaDepthError: with what is wrong, and the cure where it is known.

    """
    try:
        yield
    except RuntimeError as error:  # base of rclpy's own, such as UnknownROSArgsError
        # Without the lines of ROS's C sources that rcl adds.
        reason = " ".join(re.sub(r",? at /\S+:\d+", "", str(error)).split())
        advice = "; set ROS_LOG_DIR to a folder that can be written" if "log dir" in reason else ""
        raise HmaDepthError(f"{what}: {type(error).__name__}: {reason}{advice}") from error


def _check_domain() -> None:
    """What Fast DDS ends the process for, without saying which variable to change."""
    domain = os.environ.get("ROS_DOMAIN_ID", "")
    dds = "fastrtps" in rclpy.get_rmw_implementation_identifier()
    if dds and domain.isdecimal() and int(domain) > _LAST_DOMAIN:
        raise HmaDepthError(
            f"ROS does not start: ROS_DOMAIN_ID={domain} is more than {_LAST_DOMAIN}, the last one"
        )
