"""Start the depth node with its transport profile and, on request, RViz.

An argument left empty changes nothing: every default stays in config/depth_node.yaml. Serves a
colcon install (`ros2 launch hma_depth_ros depth.launch.py`) and a pip install, whose executables
lie in bin/ instead of lib/hma_depth_ros/.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

PACKAGE, EXECUTABLE, NODE = "hma_depth_ros", "depth_node", "depth_node"
SHARE = Path(__file__).resolve().parent.parent  # share/hma_depth_ros, or the source tree
DEFAULTS = SHARE / "config" / "depth_node.yaml"
RVIZ_CONFIG = SHARE / "config" / "depth.rviz"

FLAG = ("", "true", "false", "True", "False", "TRUE", "FALSE")
PAIRINGS = ("", "cached", "exact")
LEVELS = ("", "debug", "info", "warn", "error", "fatal")
#: Of rclpy's rules for topics those that concern a name as a whole.
TOPIC = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)
#: The most that the parameter `threads` takes.
MOST_THREADS = 256
#: Parameters that a rig does not share: its cameras are mounted each in its own way.
MOUNT = ("camera_height", "camera_pitch")


def argument(name: str, default: str, description: str, **options: Any) -> DeclareLaunchArgument:
    """Shorthand for the table below."""
    return DeclareLaunchArgument(name, default_value=default, description=description, **options)


ARGUMENTS = (
    argument("image", "image", "Image topic; with compressed:=true without its /compressed suffix"),
    argument("camera_info", "camera_info", "CameraInfo topic of that image"),
    argument("namespace", "", "Namespace of the node and of all its relative topics"),
    argument("params_file", "", "YAML file of parameters that override config/depth_node.yaml"),
    argument("device", "", "Parameter 'device': where to infer, such as auto, cpu, cuda"),
    argument("engine", "", "Parameter 'engine': what runs the network, such as auto, torch"),
    argument("precision", "", "Parameter 'precision': such as auto, fp32, bf16, fp16"),
    argument("checkpoint", "", "Parameter 'checkpoint': a .safetensors file, or bundled"),
    argument("threads", "", "Parameter 'threads': CPU threads of the network; 0: engine's choice"),
    argument("camera_height", "", "Parameter 'camera_height': metres above the road"),
    argument("camera_pitch", "", "Parameter 'camera_pitch': radians below the horizon"),
    argument("pairing", "", "Parameter 'pairing': which CameraInfo counts", choices=PAIRINGS),
    argument("compressed", "", "Whether to subscribe to CompressedImage", choices=FLAG),
    argument("lockstep", "", "Whether to process every frame in order", choices=FLAG),
    argument("use_sim_time", "", "Whether to take the time from /clock", choices=FLAG),
    argument("log_level", "", "Log level of the node", choices=LEVELS),
    argument("rviz", "false", "Whether to show everything in RViz", choices=FLAG[1:]),
    argument(
        "fixed_frame",
        "",
        "RViz's fixed frame: the frame_id of the images, or one that tf connects with it; empty is "
        "the one in config/depth.rviz, camera_color_left",
    ),
)


def is_installed(package: str, name: str) -> bool:
    """Whether a ROS package has this executable."""
    try:
        return Path(get_package_prefix(package), "lib", package, name).is_file()
    except (PackageNotFoundError, OSError):
        return False  # a pip install: not in the ament index, or AMENT_PREFIX_PATH is not even set


def executable(name: str = EXECUTABLE) -> dict[str, str]:
    """How `Node` finds an executable: by package where colcon installed it, else on PATH."""
    if is_installed(PACKAGE, name):
        return {"package": PACKAGE, "executable": name}
    if path := shutil.which(name):
        return {"executable": path}
    raise RuntimeError(
        f"no executable '{name}': source install/setup.bash of the colcon workspace, or "
        f"activate the environment into which {PACKAGE} was installed"
    )


def transport() -> list[Action]:
    """Select the Fast DDS profile for all that is started from here on, other packages' nodes too.

    Where `ros2 launch` runs in a Python that lacks the package, as with a virtual environment for
    it alone, the package's own executables still select it by themselves.
    """
    try:
        from hma_depth_ros.ros.transport import profile_environment
    except ModuleNotFoundError:
        return []
    return [SetEnvironmentVariable(name, path) for name, path in profile_environment().items()]


def is_true(text: str) -> bool:
    """What a flag says, which Python and YAML 1.1 write with capitals."""
    return text.lower() == "true"


def check_names(given: Mapping[str, str], *topics: str) -> None:
    """See that topics and namespace can be names: ROS would say it in several lines, and later.

    Raises:
        RuntimeError: one cannot.

    """
    for argument_name in topics:
        if not TOPIC.fullmatch(name := given[argument_name]):
            raise RuntimeError(f"{argument_name}: '{name}' cannot be the name of a topic")
    if (space := given["namespace"].strip("/")) and not TOPIC.fullmatch(space):
        raise RuntimeError(f"namespace: '{given['namespace']}' cannot be a namespace")


def parameters(
    context: LaunchContext, given: Mapping[str, str], node: str = NODE
) -> list[str | dict[str, bool]]:
    """Parameter sources, the later over the earlier: shipped file, user's file, arguments."""
    sources: list[str | dict[str, bool]] = [str(DEFAULTS)]
    if given["params_file"]:
        user_file = Path(given["params_file"]).expanduser()
        if not user_file.is_file():
            raise RuntimeError(f"params_file: no file '{user_file}'")
        sources.append(str(user_file))
    overrides: dict[str, Any] = {
        name: given[name]
        for name in ("device", "engine", "precision", "checkpoint", "pairing")
        if given[name]
    }
    if threads := given["threads"].strip():
        if not re.fullmatch(r"\d{1,9}", threads, re.ASCII) or int(threads) > MOST_THREADS:
            raise RuntimeError(
                f"threads: '{threads}' is not a number from 0 to {MOST_THREADS}; 0 is the engine's "
                "choice"
            )
        overrides["threads"] = int(threads)
    for name in MOUNT:
        if text := given[name].strip():
            overrides[name] = number(name, text)
    if given["compressed"]:
        overrides["image_transport"] = "compressed" if is_true(given["compressed"]) else "raw"
    if given["lockstep"]:
        overrides["lockstep"] = is_true(given["lockstep"])
    own = [parameter_file(context, node, given["namespace"], overrides)] if overrides else []
    return [*sources, *own, *clock(given)]


def full_name(context: LaunchContext, namespace: str, name: str) -> str:
    """Full name of a node or topic in the namespace that `Node` makes of the argument.

    An including file may have pushed one above it.
    """
    above = context.launch_configurations.get("ros_namespace")
    space = make_namespace_absolute(prefix_namespace(above, namespace or None)) or "/"
    return f"{space.rstrip('/')}/{name}"


def number(name: str, text: str) -> float:
    """What an argument says.

    Raises:
        RuntimeError: it is no number.

    """
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text, re.ASCII):
        raise RuntimeError(f"{name}: '{text}' is not a number such as 1.65")
    return float(text)


def parameter_file(
    context: LaunchContext, node: str, namespace: str, values: Mapping[str, Any]
) -> str:
    """Write a node's parameters so that what is text stays text; return the path.

    launch_ros leaves out the quotes of texts such as 1e-3 or y, which are numbers or booleans to
    ROS's parser of YAML and not to Python's. The section is of the node's full name, since that
    beats a wildcard in a file, wherever it stands.

    Raises:
        RuntimeError: a value is not UTF-8, as YAML has to be.

    """
    content = {full_name(context, namespace, node): {"ros__parameters": dict(values)}}
    text = json.dumps(content, ensure_ascii=False)  # its escapes of characters are not all YAML's
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        shown = text.encode(errors="replace").decode()
        raise RuntimeError(f"{shown}: not UTF-8, as parameters have to be") from error
    with tempfile.NamedTemporaryFile(
        prefix="hma_depth_launch_", suffix=".yaml", delete=False
    ) as file:
        file.write(encoded)
    return file.name


def clock(given: Mapping[str, str]) -> list[dict[str, bool]]:
    """The parameter source that both nodes share."""
    value = given["use_sim_time"]
    return [{"use_sim_time": is_true(value)}] if value else []


def rviz_config(given: dict[str, str]) -> Path:
    """The shipped configuration, or a copy that shows the compressed images.

    RViz's display takes the transport from the end of the topic's name.
    """
    if not is_true(given["compressed"]):
        return RVIZ_CONFIG
    text = RVIZ_CONFIG.read_text(encoding="utf-8")
    copy = Path(tempfile.mkdtemp(prefix="hma_depth_rviz_"), "depth.rviz")
    copy.write_text(re.sub(r"Value: image$", r"Value: image/compressed", text, flags=re.MULTILINE))
    return copy


def log_arguments(context: LaunchContext, given: Mapping[str, str], node: str = NODE) -> list[str]:
    """Set the level of the node's own logger only: at debug the middleware's would bury it."""
    if not (level := given["log_level"]):
        return []
    logger = full_name(context, given["namespace"], node)[1:].replace("/", ".")
    return ["--log-level", f"{logger}:={level}"]


def start(context: LaunchContext) -> list[Action]:
    """Build the nodes from the arguments' values."""
    given: dict[str, str] = {
        declared.name: LaunchConfiguration(declared.name).perform(context) for declared in ARGUMENTS
    }
    if is_true(given["rviz"]) and not is_installed("rviz2", "rviz2"):
        # Before anything is started: launch would find out when the node is running already.
        raise RuntimeError(
            "rviz:=true: RViz is not installed; install the package rviz2 "
            "(apt install ros-$ROS_DISTRO-rviz2), or leave rviz:=true out"
        )
    check_names(given, "image", "camera_info")
    image, namespace = given["image"], given["namespace"]
    images = [("image", image), ("image/compressed", f"{image}/compressed")]
    depth = Node(
        **executable(),
        name=NODE,
        namespace=namespace,
        parameters=parameters(context, given),
        remappings=[*images, ("camera_info", given["camera_info"])],
        ros_arguments=log_arguments(context, given),
        output="screen",
    )
    frame = ["-f", given["fixed_frame"]] if given["fixed_frame"] else []
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        namespace=namespace,  # the topics in the configuration are relative
        arguments=["-d", str(rviz_config(given)), *frame],
        parameters=clock(given),
        remappings=images,
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [depth, rviz]


def generate_launch_description() -> LaunchDescription:
    """Arguments, environment, nodes."""
    return LaunchDescription([*ARGUMENTS, *transport(), OpaqueFunction(function=start)])
