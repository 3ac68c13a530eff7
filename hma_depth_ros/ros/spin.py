"""Running a node until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from hma_depth_ros.ros.ros_session import StopRequest, ros_errors, ros_session
from hma_depth_ros.ros.undeclared import report_unaddressed


def make_executor(context: Context | None = None) -> Executor:
    """Executor of the usual kind.

    The events executor (since Kilted) takes half the CPU, but ends the process when an endpoint
    is destroyed while one of its events waits: docs/architecture.md, "Decisions".
    """
    return SingleThreadedExecutor(context=context)


def run_node(name: str, make: Callable[[StopRequest], Node], argv: Sequence[str]) -> None:
    """Start ROS with an executable's arguments; make a node and spin it until a signal ends it.

    Args:
        name: of the executable.
        make: makes the node; it gets the request to stop, for what waits in the node's callbacks.
        argv: the executable's arguments.

    Raises:
        HmaDepthError: ROS does not start, or the node cannot be made.

    """
    with ros_session([name, *argv]) as stop:
        with ros_errors("the node does not start"):
            node = make(stop)
        report_unaddressed(node, argv)
        try:
            spin(node, stop)
        finally:
            node.destroy_node()


def spin(node: Node, stop: StopRequest) -> None:
    """Serve the node's callbacks until `stop` or the end of the context."""
    executor = make_executor(node.context)
    executor.add_node(node)
    stopped: Future[None] = Future()
    stop.then(lambda: stopped.set_result(None))
    try:
        executor.spin_until_future_complete(stopped)
    except ExternalShutdownException:
        pass  # somebody else has shut the context down
    finally:
        executor.shutdown()
