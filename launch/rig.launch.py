r"""Depth of a surround rig: a node for each camera, in a namespace of its own, on one GPU.

  ros2 launch hma_depth_ros rig.launch.py cameras:=front,left,right,rear \
    image:=/sensing/{camera}/image_rect camera_info:=/sensing/{camera}/camera_info

Camera `front` publishes /front/depth/image and so on. The processes share the device; each takes
the latest frame of its camera whenever it is done with the one before, so a GPU that is too slow
for all of them costs frames and not latency. On a CPU that is too slow, `threads:=` the number of
cores over that of cameras can help (docs/performance.md).
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
)


def start(context: LaunchContext) -> list[Action]:
    """Build the nodes from the arguments' values."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    cameras = [name.strip() for name in value("cameras").split(",")]
    if wrong := [name for name in cameras if not re.fullmatch(r"[A-Za-z_]\w*", name)]:
        raise RuntimeError(f"cameras: '{wrong[0]}' cannot be a namespace; use letters, digits, _")
    if len(set(cameras)) < len(cameras):
        raise RuntimeError(f"cameras: a name is there twice: {value('cameras')}")
    for name in ("image", "camera_info"):
        if len(cameras) > 1 and "{camera}" not in value(name):
            raise RuntimeError(
                f"{name}: '{value(name)}' is one topic for all cameras; write {{camera}} in it"
            )
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(DEPTH)),
            launch_arguments=[
                ("namespace", "/".join([*filter(None, value("namespace").split("/")), camera])),
                ("image", value("image").replace("{camera}", camera)),
                ("camera_info", value("camera_info").replace("{camera}", camera)),
                ("threads", value("threads")),
                *((name, value(name)) for name in SHARED),
            ],
        )
        for camera in cameras
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments and, once their values are known, the nodes."""
    declared = [a for a in depth.ARGUMENTS if a.name in SHARED]
    return LaunchDescription([*ARGUMENTS, *declared, OpaqueFunction(function=start)])
