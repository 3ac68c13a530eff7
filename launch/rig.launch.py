r"""Depth of a surround rig: one node for all cameras, with one copy of the network.

  ros2 launch hma_depth_ros rig.launch.py cameras:=front,left,right,rear \
    image:=/sensing/{camera}/image_rect camera_info:=/sensing/{camera}/camera_info

Camera `front` publishes /front/depth/image and so on. The latest frame of each camera is taken in
turn, so a device that is too slow for all of them costs frames and not latency.

With `separate:=true` each camera has a node of its own, named depth_node, in its namespace: a
process that ends takes no other with it, and each has a network, for four times the memory.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

from launch.action import Action
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

#: Of each camera its topics by their names in depth.launch.py.
Topics = dict[str, dict[str, str]]

DEPTH = Path(__file__).with_name("depth.launch.py")


def depth_launch() -> ModuleType:
    """The launch file of one node, whose helpers serve here too."""
    spec = importlib.util.spec_from_file_location("depth_launch", DEPTH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


depth = depth_launch()
argument = depth.argument

NODE = "rig_node"
DEFAULTS = depth.SHARE / "config" / "rig_node.yaml"
#: Arguments of depth.launch.py that all nodes get alike.
SHARED = (
    *("params_file", "device", "engine", "precision", "checkpoint", "pairing", "compressed"),
    *("use_sim_time", "log_level"),
)
ARGUMENTS = (
    argument("cameras", "front,left,right,rear", "Names of the cameras, separated by commas"),
    argument("image", "/{camera}/image_rect", "Image topic; {camera} stands for the name"),
    argument("camera_info", "/{camera}/camera_info", "CameraInfo topic; likewise"),
    argument("namespace", "", "Namespace above those of the cameras"),
    argument(
        "threads",
        "",
        "Parameter 'threads' of each node: CPU threads of the network; 0: the engine's choice",
    ),
    argument(
        "separate",
        "false",
        "Whether each camera has a node, and a network, of its own",
        choices=depth.FLAG[1:],
    ),
)


def start(context: LaunchContext) -> list[Action]:
    """Build the nodes from the arguments' values."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    cameras = [name.strip() for name in value("cameras").split(",")]
    if wrong := [name for name in cameras if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII)]:
        raise RuntimeError(f"cameras: '{wrong[0]}' cannot be a namespace; use letters, digits, _")
    if len(set(cameras)) < len(cameras):
        raise RuntimeError(f"cameras: a name is there twice: {value('cameras')}")
    for name in ("image", "camera_info"):
        if len(cameras) > 1 and "{camera}" not in value(name):
            raise RuntimeError(
                f"{name}: '{value(name)}' is one topic for all cameras; write {{camera}} in it"
            )
    namespace = "/".join(filter(None, value("namespace").split("/")))
    shared = {"threads": value("threads"), **{name: value(name) for name in SHARED}}
    topics = {
        camera: {n: value(n).replace("{camera}", camera) for n in ("image", "camera_info")}
        for camera in cameras
    }
    for camera, own in topics.items():
        depth.check_names({**own, "namespace": f"{namespace}/{camera}"}, *own)
    if depth.is_true(value("separate")):
        return separate_nodes(topics, namespace, shared)
    return [*depth.transport(), rig_node(context, topics, namespace, shared)]


def rig_node(
    context: LaunchContext, topics: Topics, namespace: str, shared: dict[str, str]
) -> Node:
    """One node for all cameras."""
    given = {**shared, "namespace": namespace, "lockstep": "", **dict.fromkeys(depth.MOUNT, "")}
    first, *others = depth.parameters(context, given, NODE)
    cameras = depth.parameter_file(context, NODE, namespace, {"cameras": list(topics)})
    remappings = []
    for camera, own in topics.items():
        remappings += [
            (f"{camera}/image", own["image"]),
            (f"{camera}/image/compressed", f"{own['image']}/compressed"),
            (f"{camera}/camera_info", own["camera_info"]),
        ]
    return Node(
        **depth.executable(NODE),
        name=NODE,
        namespace=namespace,
        parameters=[first, str(DEFAULTS), *others, cameras],
        remappings=remappings,
        ros_arguments=depth.log_arguments(context, given, NODE),
        output="screen",
    )


def separate_nodes(topics: Topics, namespace: str, shared: dict[str, str]) -> list[Action]:
    """A node for each camera, in a namespace of its own."""
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(DEPTH)),
            launch_arguments=[
                ("namespace", "/".join(filter(None, (namespace, camera)))),
                *own.items(),
                *shared.items(),
            ],
        )
        for camera, own in topics.items()
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments and, once their values are known, the nodes."""
    declared = [a for a in depth.ARGUMENTS if a.name in SHARED]
    return LaunchDescription([*ARGUMENTS, *declared, OpaqueFunction(function=start)])
