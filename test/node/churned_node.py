"""A depth node as its executable runs it, its network loaded once: `churned_node.py CHECKPOINT`.

So a cycle of its life costs what ROS takes for it, and a hundred of them a few seconds.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any
from unittest import mock

from hma_depth_ros import signals
from hma_depth_ros.ros import depth_node
from hma_depth_ros.ros.load_predictor import LoadedModel
from hma_depth_ros.ros.spin import run_node


def main() -> int:
    checkpoint, *ros_arguments = sys.argv[1:]
    overrides = [f"checkpoint:={checkpoint}", "engine:=torch", "precision:=fp32", "device:=cpu"]
    arguments = ["--ros-args", *(word for o in overrides for word in ("-p", o)), *ros_arguments]

    @cache
    def load(_: str) -> LoadedModel:
        return LoadedModel(values[0], warn=print)

    values: list[Any] = []

    def loaded(parameters: Any, **_: Any) -> LoadedModel:
        values[:] = [parameters]
        return load(checkpoint)

    signals.take_over("churned_node", is_node=True)
    with mock.patch.object(depth_node, "LoadedModel", loaded):
        run_node("depth_node", lambda stop: depth_node.DepthNode(stop=stop), arguments)
    return signals.finish(0)


if __name__ == "__main__":
    sys.exit(main())
