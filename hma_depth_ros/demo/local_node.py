"""A ROS node without threads, in a graph of its own, for a process that has other work too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor
from rclpy.node import Node

from hma_depth_ros.demo.environment import OF_OTHER_GRAPHS
from hma_depth_ros.ros.ros_session import start_ros
from hma_depth_ros.ros.spin import make_executor


@dataclass(frozen=True)
class LocalNode:
    """Has no threads: messages are taken while the caller waits."""

    node: Node
    _executor: Executor

    def wait(self, seconds: float) -> None:
        """Take the first message that arrives within that time."""
        self._executor.spin_once(timeout_sec=seconds)


@contextmanager
def local_node(name: str, domain: int) -> Iterator[LocalNode]:
    """Start a node that sees this machine only, in that ROS_DOMAIN_ID, and leaves signals alone."""
    for variable in OF_OTHER_GRAPHS:
        os.environ.pop(variable, None)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    context = Context()
    start_ros(context=context, domain=domain)
    try:
        node = rclpy.create_node(
            name, context=context, enable_rosout=False, start_parameter_services=False
        )
        executor = make_executor(context)
        executor.add_node(node)
        try:
            yield LocalNode(node, executor)
        finally:
            executor.shutdown()
            node.destroy_node()
    finally:
        context.try_shutdown()
