"""The executor that serves a node."""

from __future__ import annotations

import io
import sys

import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from hma_depth_ros.ros.spin import make_executor

from .graph import until


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["none", "no file"])
def test_a_notebook_has_no_file_to_write_errors_to(
    context: Context, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
):
    monkeypatch.setattr(sys, "stderr", stream)
    executor = make_executor(context)
    assert isinstance(executor, SingleThreadedExecutor)
    node = Node("notebook", context=context)
    ticks: list[int] = []
    node.create_timer(0.01, lambda: ticks.append(1))
    executor.add_node(node)
    until(lambda: executor.spin_once(timeout_sec=0.1) or ticks, "the timer")
    executor.shutdown()
    node.destroy_node()
