"""Replay a bag to the depth node: player, node and, on request, RViz and the accuracy monitor.

  ros2 launch hma_depth_ros replay.launch.py bag:=/data/kitti_bag dialect:=kitti2mcap rviz:=true

The dialect says what the bag's topics are called; image:= and camera_info:= name them for any other
bag. Everything runs by the bag's clock.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

DEPTH = Path(__file__).with_name("depth.launch.py")

# Namespaces of the cameras 0 to 3, and the LiDAR's topic. As in hma_depth_ros.bags.kitti.dialect,
# which `ros2 launch` may not be able to import; a test compares them.
SIDES = [(color, side) for color in ("gray", "color") for side in ("left", "right")]
KITTI = tuple(f"/kitti/camera_{color}_{side}" for color, side in SIDES)
DIALECTS = {
    "kitti2bag": (KITTI, "/kitti/velo/pointcloud"),
    "kitti2mcap": (KITTI, "/kitti/velodyne_points"),
    "kitti_to_ros2bag": (
        tuple(f"/kitti/camera/{color}/{side}" for color, side in SIDES),
        "/kitti/velo",
    ),
}
#: Optical frames of the cameras, in which RViz shows all.
FRAMES = {
    "kitti2bag": tuple(f"camera_{color}_{side}" for color, side in SIDES),
    "kitti2mcap": tuple(f"camera_{color}_{side}" for color, side in SIDES),
    "kitti_to_ros2bag": tuple(f"cam{camera}_link" for camera in range(4)),
}
#: Seconds that the node may take to load its network before the player gives up.
PATIENCE = "300"


def depth_launch() -> ModuleType:
    """The launch file of the node, whose helpers serve here too."""
    spec = importlib.util.spec_from_file_location("depth_launch", DEPTH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


depth = depth_launch()
argument, FLAG = depth.argument, depth.FLAG[1:]

#: Arguments of depth.launch.py that are handed on as they are.
PASSED_ON = (
    *("namespace", "params_file", "device", "engine", "precision", "checkpoint", "threads"),
    *("camera_height", "camera_pitch", "pairing", "compressed", "lockstep", "log_level", "rviz"),
)
ARGUMENTS = (
    DeclareLaunchArgument(
        "bag", description="Bag to replay: its folder, or one .mcap or .db3 file"
    ),
    argument("dialect", "kitti2bag", "Which converter made the bag", choices=tuple(DIALECTS)),
    argument("camera", "2", "KITTI's number of the camera", choices=("0", "1", "2", "3")),
    argument("image", "", "Image topic, instead of the dialect's"),
    argument("camera_info", "", "CameraInfo topic, instead of the dialect's"),
    argument("lidar", "", "PointCloud2 topic for the accuracy monitor, instead of the dialect's"),
    argument("fixed_frame", "", "RViz's fixed frame, instead of the dialect's for this camera"),
    argument("rate", "1.0", "Times as fast as recorded"),
    argument("start", "0.0", "Seconds of the bag to leave out at its beginning"),
    argument("loop", "false", "Whether to start again at the end", choices=FLAG),
    argument("exit_at_end", "false", "Whether all ends with the bag", choices=FLAG),
    argument("accuracy", "false", "Whether to compare depth with the LiDAR", choices=FLAG),
    argument("calibration", "", "Folder of KITTI's calibration files for it, instead of tf"),
    argument("use_sim_time", "true", "Whether the nodes take the time from the bag", choices=FLAG),
)


def end_with_player(event: ProcessExited, _: LaunchContext) -> list[Action]:
    """End everything, and with an error where the player has ended with one."""
    if event.returncode:  # what is raised here becomes launch's own status, which is 0 otherwise
        raise RuntimeError(f"{event.process_name} has ended with status {event.returncode}")
    return [Shutdown(reason="the bag has ended")]


def start(context: LaunchContext) -> list[Action]:
    """Build the actions from the arguments' values."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    cameras, lidar = DIALECTS[value("dialect")]
    namespace = cameras[int(value("camera"))]
    image = value("image") or f"{namespace}/image_raw"
    info = value("camera_info") or f"{namespace}/camera_info"
    # Of another image topic the dialect does not know the frame.
    known = "" if value("image") else FRAMES[value("dialect")][int(value("camera"))]
    if not Path(value("bag")).expanduser().exists():
        raise RuntimeError(f"bag: no such bag '{value('bag')}'")
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(DEPTH)),
        launch_arguments=[
            ("image", image),
            ("camera_info", info),
            ("use_sim_time", value("use_sim_time")),
            ("fixed_frame", value("fixed_frame") or known),
            *((name, value(name)) for name in PASSED_ON),
        ],
    )
    published = f"{image}/compressed" if depth.is_true(value("compressed")) else image
    options = ["--clock", "--rate", value("rate"), "--start", value("start")]
    options += ["--wait-for-subscribers", published, info, "--wait-timeout", PATIENCE]
    if depth.is_true(value("loop")):
        options.append("--loop")
    if depth.is_true(value("lockstep")):
        output = depth.full_name(context, value("namespace"), "depth/image")
        options += ["--lockstep", f"{published}:={output}"]
    player = Node(
        **depth.executable("replay_bag"),
        arguments=[str(Path(value("bag")).expanduser()), *options],
        output="screen",
        on_exit=end_with_player if depth.is_true(value("exit_at_end")) else None,
    )
    actions: list[Action] = [node, player]
    if depth.is_true(value("accuracy")):
        names = {"lidar": value("lidar") or lidar, "namespace": value("namespace")}
        depth.check_names(names, "lidar")
        given = {
            "use_sim_time": depth.is_true(value("use_sim_time")),
            "camera": int(value("camera")),
            "calibration": value("calibration"),
        }
        actions.append(
            Node(
                **depth.executable("accuracy_monitor"),
                name="accuracy_monitor",
                namespace=names["namespace"],
                parameters=[
                    depth.parameter_file(context, "accuracy_monitor", names["namespace"], given)
                ],
                remappings=[("lidar", names["lidar"])],
                output="screen",
            )
        )
    return actions


def generate_launch_description() -> LaunchDescription:
    """Arguments and, once their values are known, the rest."""
    declared = [a for a in depth.ARGUMENTS if a.name in PASSED_ON]
    return LaunchDescription([*ARGUMENTS, *declared, OpaqueFunction(function=start)])
