"""rclpy from start to shutdown, for tools that must finish their work when they are stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import rclpy
from rclpy.signals import SignalHandlerOptions

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.transport import tune_malloc, use_large_message_profile


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
def ros_session(ros_args: Sequence[str]) -> Iterator[threading.Event]:
    """Initialise rclpy with ROS arguments; yield an event that says stop.

    SIGINT and SIGTERM set the event and leave ROS running, where rclpy's own handlers would shut
    it down at once: a recorder still has messages to take, a player acknowledgements to wait for.
    The second signal acts as if this were not here. To be entered in the main thread.

    Raises:
        HmaDepthError: rclpy does not take the arguments, or cannot start.

    """
    use_large_message_profile()
    tune_malloc()
    try:
        rclpy.init(args=list(ros_args), signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # base of rclpy's own, such as UnknownROSArgsError
        raise HmaDepthError(f"ROS does not start: {type(error).__name__}: {error}") from error
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request_stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, previous[signal.Signals(number)])
        stop.set()

    for number in previous:
        signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        rclpy.try_shutdown()
