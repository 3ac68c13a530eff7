"""The depth node's process with another way to load its network: `stand_in_node.py WAY CHECKPOINT`.

`once`: the first time only, so that a cycle of the node's life costs what ROS takes for it.
`endless`: never done, in C and without Python's lock, as compiling a network is. Says "loading".
"""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from typing import Any
from unittest import mock

from hma_depth_ros import signals
from hma_depth_ros.ros.depth_node import node
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.spin import run_node


@cache
def once(parameters: DepthNodeParameters) -> LoadedModel:
    return LoadedModel(parameters, warn=print)


def endless(_: DepthNodeParameters) -> None:
    print("loading", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def main() -> int:
    way, checkpoint, *ros_arguments = sys.argv[1:]
    overrides = [f"checkpoint:={checkpoint}", "engine:=torch", "precision:=fp32", "device:=cpu"]
    arguments = ["--ros-args", *(word for o in overrides for word in ("-p", o)), *ros_arguments]
    load: Any = {"once": once, "endless": endless}[way]
    signals.take_over("depth_node", is_node=True)
    with mock.patch.object(node, "LoadedModel", lambda parameters, **_: load(parameters)):
        run_node("depth_node", lambda stop: node.DepthNode(stop=stop), arguments)
    return signals.finish(0)


if __name__ == "__main__":
    sys.exit(main())
