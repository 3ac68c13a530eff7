"""Running a node until it is told to stop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

#: `EventsExecutor.spin()` never looks at signals; between turns the caller does.
TURN_SECONDS = 0.5


def make_executor(context: Context | None = None) -> Executor:
    """Events executor where rclpy has it (since Kilted), by far the cheaper one; else the usual.

    The usual one, too, where stderr is no file, as in a notebook: the other one hands it to
    faulthandler.
    """
    try:
        from rclpy.experimental import EventsExecutor

        sys.stderr.fileno()
    except (ImportError, AttributeError, OSError):
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def run_node(name: str, make: Callable[[], Node], argv: Sequence[str]) -> None:
    """Start ROS with an executable's arguments; make a node and spin it until a signal ends it."""
    rclpy.init(args=[name, *argv])
    try:
        node = make()
        try:
            spin(node)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def spin(node: Node) -> None:
    """Serve the node's callbacks until shutdown by signal or context."""
    executor = make_executor()
    executor.add_node(node)
    try:
        while rclpy.ok():
            executor.spin_once(timeout_sec=TURN_SECONDS)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # the ordinary ways to end a node
    finally:
        executor.shutdown()
