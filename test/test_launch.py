"""launch/depth.launch.py, run by the real launch system, and the RViz configuration beside it.

The ROS 2 wheels lack launch and launch_ros. Where neither a ROS distribution nor their sources on
PYTHONPATH bring them, the tests of the launch file are skipped; those of the RViz view never are.
RViz itself is not started.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hma_depth_ros.bags.kitti.dialect import DIALECTS

REPOSITORY = Path(__file__).resolve().parent.parent
LAUNCH_FILE, REPLAY, RIG = (
    REPOSITORY / "launch" / f"{name}.launch.py" for name in ("depth", "replay", "rig")
)
DEFAULTS = REPOSITORY / "config" / "depth_node.yaml"
# Fast DDS 2 runs under Jazzy (rclpy 7), Fast DDS 3 under Kilted (rclpy 9).
IS_JAZZY = int(version("rclpy").split(".")[0]) < 9
PROFILE = "fastdds2_large_messages.xml" if IS_JAZZY else "fastdds_large_messages.xml"
#: The one that is to be set, and that of the other Fast DDS.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")[
    :: -1 if IS_JAZZY else 1
]

# `ros2 launch FILE NAME:=VALUE ...`, without ros2cli.
LAUNCHER = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

service = LaunchService()
service.include_launch_description(
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(sys.argv[1]),
        launch_arguments=[argument.split(":=", 1) for argument in sys.argv[2:]],
    )
)
sys.exit(service.run())
"""
# A file of the user's that includes another one below a namespace.
INCLUDING = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

def generate_launch_description():
    included = PythonLaunchDescriptionSource({file!r})
    include = IncludeLaunchDescription(included, launch_arguments={arguments})
    return LaunchDescription([PushRosNamespace("robot1"), include])
"""

# Stands in for an executable: writes down how it was started, and ends.
RECORDER = """#!{python}
import json, os, sys
files = [path for flag, path in zip(sys.argv, sys.argv[1:]) if flag == "--params-file"]
seen = dict(
    argv=sys.argv,
    profiles=[os.environ.get(name) for name in {variables}],
    parameters=[(path, open(path).read()) for path in files],
)
with open("{record}".replace("PID", str(os.getpid())), "w") as record:
    json.dump(seen, record)
"""


@dataclass(frozen=True)
class Start:
    """How launch started an executable."""

    argv: list[str]
    profiles: list[str | None]  #: values of PROFILE_VARIABLES
    parameters: list[tuple[str, str]]  #: path and text of each parameter file, in order

    def ros_arguments(self, flag: str) -> list[str]:
        return [
            value for name, value in zip(self.argv, self.argv[1:], strict=False) if name == flag
        ]


def write_recorder(executable: Path, record: Path | None = None) -> Path:
    """Create the stand-in; return the file in which it will write: PID in its name is filled in."""
    record = record or executable.with_suffix(".json")
    executable.parent.mkdir(parents=True, exist_ok=True)
    text = RECORDER.format(python=sys.executable, variables=PROFILE_VARIABLES, record=record)
    executable.write_text(text)
    executable.chmod(0o755)
    return record


def read_start(record: Path) -> Start:
    return Start(**json.loads(record.read_text()))


def write_package(prefix: Path, name: str) -> None:
    """Make `prefix` the home of an installed ROS package."""
    marker = prefix / "share" / "ament_index" / "resource_index" / "packages" / name
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """First folder on PATH; no ROS package is in reach and no profile is selected."""
    pytest.importorskip("launch_ros.actions", reason="launch and launch_ros are not importable")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "none"))
    for name in (*PROFILE_VARIABLES, "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "bin"


@pytest.fixture
def rviz_record(bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a stand-in for RViz; the file in which it will write how it was started."""
    prefix = tmp_path / "ros"
    write_package(prefix, "rviz2")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    return write_recorder(prefix / "lib" / "rviz2" / "rviz2")


def run_launch(
    *arguments: str | bytes, file: Path = LAUNCH_FILE
) -> subprocess.CompletedProcess[str]:
    command: list[str | bytes] = [sys.executable, "-c", LAUNCHER, str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def run_below_robot1(
    *arguments: str, file: Path, including: Path
) -> subprocess.CompletedProcess[str]:
    """Likewise, by a file that is written to include it."""
    pairs = [argument.split(":=", 1) for argument in arguments]
    including.write_text(INCLUDING.format(file=str(file), arguments=pairs))
    return run_launch(file=including)


@pytest.fixture
def launch(bin_folder: Path) -> Callable[..., Start]:
    """Run the launch file with NAME:=VALUE arguments; return how the node's stand-in started."""
    record = write_recorder(bin_folder / "depth_node")

    def launched(*arguments: str, file: Path = LAUNCH_FILE) -> Start:
        done = run_launch(*arguments, file=file)
        assert done.returncode == 0, done.stdout + done.stderr
        return read_start(record)

    return launched


def test_every_argument_has_a_description(bin_folder: Path):
    from launch.launch_context import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    arguments = source.get_launch_description(LaunchContext()).get_launch_arguments()
    assert {argument.name for argument in arguments} == {
        *("image", "camera_info", "namespace", "params_file", "device", "engine", "checkpoint"),
        *("precision", "pairing", "threads", "compressed", "lockstep", "use_sim_time"),
        *("log_level", "rviz", "fixed_frame", "camera_height", "camera_pitch"),
    }
    for argument in arguments:
        assert len(argument.description) > 10
        assert argument.default_value is not None, "an argument must not be required"


def test_without_arguments_all_comes_from_the_shipped_file(launch: Callable[..., Start]):
    start = launch()
    assert [path for path, _ in start.parameters] == [str(DEFAULTS)]
    assert set(start.ros_arguments("-r")) == {
        *("__node:=depth_node", "__ns:=/", "image:=image", "camera_info:=camera_info"),
        "image/compressed:=image/compressed",
    }
    assert start.ros_arguments("--log-level") == []
    profile = REPOSITORY / "hma_depth_ros" / "assets" / PROFILE
    assert profile.is_file()
    assert start.profiles == [str(profile), None]


def test_arguments_reach_the_node_over_both_files(launch: Callable[..., Start], tmp_path: Path):
    user_file = tmp_path / "mine.yaml"
    user_file.write_text("depth_node:\n  ros__parameters:\n    device: cuda:1\n")
    start = launch(
        "image:=/kitti/camera_color_left/image_raw",
        "camera_info:=/kitti/camera_color_left/camera_info",
        "namespace:=car/front",
        f"params_file:={user_file}",
        *("device:=cpu", "engine:=torch", "checkpoint:=/models/a b.safetensors", "threads:=3"),
        *("precision:=bf16", "pairing:=exact", "camera_height:=2", "camera_pitch:=-.02"),
        *("compressed:=true", "use_sim_time:=true", "log_level:=debug"),
    )
    assert set(start.ros_arguments("-r")) == {
        "__node:=depth_node",
        "__ns:=/car/front",
        "image:=/kitti/camera_color_left/image_raw",
        "image/compressed:=/kitti/camera_color_left/image_raw/compressed",
        "camera_info:=/kitti/camera_color_left/camera_info",
    }
    # The node's own logger and no other.
    assert start.ros_arguments("--log-level") == ["car.front.depth_node:=debug"]
    paths, texts = zip(*start.parameters, strict=True)
    assert list(paths[:2]) == [str(DEFAULTS), str(user_file)]
    # Under the node's full name, since that beats a wildcard in a file, wherever it stands.
    assert [yaml.safe_load(text) for text in texts[2:]] == [
        {
            "/car/front/depth_node": {
                "ros__parameters": {
                    "device": "cpu",
                    "engine": "torch",
                    "precision": "bf16",
                    "pairing": "exact",
                    "checkpoint": "/models/a b.safetensors",
                    "threads": 3,
                    "camera_height": 2.0,
                    "camera_pitch": -0.02,
                    "image_transport": "compressed",
                }
            }
        },
        {"/car/front/depth_node": {"ros__parameters": {"use_sim_time": True}}},
    ]


def test_false_is_an_override_too(launch: Callable[..., Start]):
    start = launch("compressed:=false", "use_sim_time:=false")
    values: dict[str, Any] = {}
    for _, text in start.parameters[1:]:
        values |= yaml.safe_load(text)["/depth_node"]["ros__parameters"]
    assert values == {"image_transport": "raw", "use_sim_time": False}


def test_overrides_are_parameters_of_the_node(launch: Callable[..., Start]):
    parameters = pytest.importorskip("hma_depth_ros.ros.depth_node.parameters")
    known = {field.name for field in fields(parameters.DepthNodeParameters)}
    given = ("device:=cpu", "engine:=torch", "checkpoint:=x", "threads:=0", "compressed:=true")
    mount = ("camera_height:=1", "camera_pitch:=0")
    start = launch(*given, *mount, "precision:=fp32", "pairing:=cached")
    ((_, text),) = start.parameters[1:]
    for name in yaml.safe_load(text)["/depth_node"]["ros__parameters"]:
        assert name in known


@pytest.mark.parametrize("distribution", ["jazzy", "kilted"])
def test_profile_is_that_of_the_library_whatever_ros_distro_says(
    launch: Callable[..., Start], monkeypatch: pytest.MonkeyPatch, distribution: str
):
    """Fast DDS 3 renamed the variable and elements; it still reads the old variable, but warns."""
    monkeypatch.setenv("ROS_DISTRO", distribution)
    assert launch().profiles == [str(REPOSITORY / "hma_depth_ros" / "assets" / PROFILE), None]


def test_builtin_transports_of_the_user_are_left_alone(
    launch: Callable[..., Start], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
    assert launch().profiles == [None, None]


def test_launch_may_run_in_a_python_without_the_package(
    launch: Callable[..., Start], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The executables select the profile by themselves."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text("import sys\nsys.modules['hma_depth_ros'] = None\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert launch().profiles == [None, None]


@pytest.mark.parametrize("chosen", PROFILE_VARIABLES)
def test_the_user_s_profile_stays(
    launch: Callable[..., Start], monkeypatch: pytest.MonkeyPatch, chosen: str
):
    monkeypatch.setenv(chosen, "/etc/fastdds.xml")
    expected = ["/etc/fastdds.xml" if name == chosen else None for name in PROFILE_VARIABLES]
    assert launch().profiles == expected


def test_installed_files_refer_to_each_other(launch: Callable[..., Start], tmp_path: Path):
    share = tmp_path / "prefix" / "share" / "hma_depth_ros"
    (share / "launch").mkdir(parents=True)
    shutil.copy(LAUNCH_FILE, share / "launch")
    shutil.copytree(REPOSITORY / "config", share / "config")
    start = launch(file=share / "launch" / LAUNCH_FILE.name)
    assert [path for path, _ in start.parameters] == [str(share / "config" / "depth_node.yaml")]


def test_executable_of_the_workspace_goes_before_path(
    launch: Callable[..., Start], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    prefix = tmp_path / "install" / "hma_depth_ros"
    write_package(prefix, "hma_depth_ros")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    assert launch().argv[0] == str(tmp_path / "bin" / "depth_node")  # pip: nothing in lib/
    record = write_recorder(prefix / "lib" / "hma_depth_ros" / "depth_node")
    assert run_launch().returncode == 0
    assert read_start(record).argv[0] == str(prefix / "lib" / "hma_depth_ros" / "depth_node")


def test_wheels_alone_have_no_ament_prefix_path(
    launch: Callable[..., Start], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    assert launch().argv[0] == str(tmp_path / "bin" / "depth_node")


def test_rviz_starts_on_request_in_the_same_namespace(
    launch: Callable[..., Start], rviz_record: Path
):
    launch("namespace:=car")
    assert not rviz_record.exists()
    launch("namespace:=car", "image:=/cam/image", "rviz:=true", "use_sim_time:=true")
    start = read_start(rviz_record)
    assert start.ros_arguments("-d") == [str(REPOSITORY / "config" / "depth.rviz")]
    assert set(start.ros_arguments("-r")) == {
        *("__node:=rviz", "__ns:=/car", "image:=/cam/image"),
        "image/compressed:=/cam/image/compressed",
    }
    assert "-f" not in start.argv
    assert [yaml.safe_load(text) for _, text in start.parameters] == [
        {"/car/rviz": {"ros__parameters": {"use_sim_time": True}}}
    ]
    assert start.profiles[0] == str(REPOSITORY / "hma_depth_ros" / "assets" / PROFILE)


def test_rviz_shows_the_cloud_of_any_camera_and_its_compressed_images(
    launch: Callable[..., Start], rviz_record: Path
):
    launch("rviz:=true", "compressed:=true", "image:=/cam/image", "fixed_frame:=front_optical")
    start = read_start(rviz_record)
    assert start.ros_arguments("-f") == ["front_optical"]
    assert "image/compressed:=/cam/image/compressed" in start.ros_arguments("-r")
    (config,) = start.ros_arguments("-d")
    shown, shipped = (
        yaml.safe_load(Path(path).read_text())["Visualization Manager"]
        for path in (config, REPOSITORY / "config" / "depth.rviz")
    )
    topics = [d["Topic"]["Value"] for d in displays(shown) if "Topic" in d]
    assert topics.count("image/compressed") == 1
    assert "image" not in topics
    (image,) = (d for d in displays(shown) if d.get("Topic", {}).get("Value") == "image/compressed")
    image["Topic"]["Value"] = "image"
    assert shown == shipped, "nothing else differs"


@pytest.mark.parametrize(
    ("arguments", "frame"),
    [
        (["dialect:=kitti2bag"], "camera_color_left"),
        (["dialect:=kitti2mcap", "camera:=1"], "camera_gray_right"),
        (["dialect:=kitti_to_ros2bag", "camera:=3"], "cam3_link"),
        (["dialect:=kitti_to_ros2bag", "fixed_frame:=car"], "car"),
        (["image:=/cam/rect"], None),
        (["image:=/cam/rect", "fixed_frame:=eye"], "eye"),
    ],
)
def test_rviz_goes_by_the_frame_of_a_replayed_camera(
    bin_folder: Path,
    tmp_path: Path,
    rviz_record: Path,
    arguments: list[str],
    frame: str | None,
):
    for name in ("depth_node", "replay_bag"):
        write_recorder(bin_folder / name)
    done = run_launch(f"bag:={tmp_path}", "rviz:=true", *arguments, file=REPLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_start(rviz_record).ros_arguments("-f") == ([frame] if frame else [])


@pytest.mark.parametrize("file", [LAUNCH_FILE, REPLAY], ids=lambda file: file.name)
def test_rviz_that_is_not_installed_is_one_line_before_anything_starts(
    bin_folder: Path, tmp_path: Path, file: Path
):
    records = [write_recorder(bin_folder / name) for name in ("depth_node", "replay_bag")]
    done = run_launch("rviz:=true", *([f"bag:={tmp_path}"] if file == REPLAY else []), file=file)
    assert done.returncode == 1
    (error,) = [line for line in (done.stdout + done.stderr).splitlines() if "[ERROR]" in line]
    assert "rviz:=true: RViz is not installed; install the package rviz2" in error
    assert not any(record.exists() for record in records)


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (2, 1), (134, 1)])
def test_the_end_of_a_replay_is_its_status(
    bin_folder: Path, tmp_path: Path, status: int, expected: int
):
    write_script(bin_folder / "depth_node", "import time; time.sleep(600)")
    write_script(bin_folder / "replay_bag", f"raise SystemExit({status})")
    done = run_launch(f"bag:={tmp_path}", "exit_at_end:=true", file=REPLAY)
    said = done.stdout + done.stderr
    assert done.returncode == expected, said
    assert (f"has ended with status {status}" in said) == bool(status)
    assert "escalating" not in said, "the node has not ended with the player"


def write_script(path: Path, code: str) -> None:
    """Create an executable of a few lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport signal, sys\n"
        "for n in (signal.SIGINT, signal.SIGTERM):\n"
        f"    signal.signal(n, lambda *_: sys.exit(0))\n{code}\n"
    )
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("pairing:=nearest", 'Argument "pairing" provided value "nearest" is not valid'),
        ("compressed:=maybe", 'Argument "compressed" provided value "maybe" is not valid'),
        ("log_level:=loud", 'Argument "log_level" provided value "loud" is not valid'),
        ("threads:=two", "threads: 'two' is not a number from 0 to 256"),
        ("threads:=-1", "threads: '-1' is not a number"),
        ("threads:=9999999999999999999", "threads: '9999999999999999999' is not a number"),
        ("threads:=\u0663", "threads: '\u0663' is not a number"),
        ("camera_height:=1,4", "camera_height: '1,4' is not a number such as 1.65"),
        ("camera_pitch:=nan", "camera_pitch: 'nan' is not a number"),
        ("params_file:=/no/such.yaml", "params_file: no file '/no/such.yaml'"),
        ("image:=", "image: '' cannot be the name of a topic"),
        ("image:=my image", "image: 'my image' cannot be the name of a topic"),
        ("camera_info:=/a//b", "camera_info: '/a//b' cannot be the name of a topic"),
        ("namespace:=2nd car", "namespace: '2nd car' cannot be a namespace"),
    ],
)
def test_bad_arguments_are_named(bin_folder: Path, argument: str, says: str):
    record = write_recorder(bin_folder / "depth_node")
    done = run_launch(argument)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
    assert not record.exists()


#: What Python's YAML and that of ROS take for different things, and what both take for no text.
ODD_TEXTS = [
    *("1e-3", "1e3", "0123", "0x10", "1_000", ".5", ".inf", "nan", "12:30", "2011-09-26", "-7"),
    *("on", "yes", "y", "N", "True", "null", "~", "<<", "'x'", '"x"', "#x", "a: b", "[1, 2]"),
    *("{a: b}", "&a", "*a", "!!int 3", "a\\nb", "a b", " a ", "a'b", "$(env HOME)", "a:=b"),
    *("/m\u00f6del/\u65e5\u672c \U0001f697.onnx", "-", "?", "|", "%a", "@a", "`a"),
]


def test_texts_reach_the_node_as_they_are(bin_folder: Path):
    """By ROS's own parser of YAML, under the node's full name."""
    import rclpy
    from launch.launch_context import LaunchContext

    launch_context = LaunchContext()
    launch_context.launch_configurations["ros_namespace"] = "/fleet"  # of an including file
    values: dict[str, Any] = {f"text_{number}": text for number, text in enumerate(ODD_TEXTS)}
    values |= {"threads": 3, "lockstep": True, "cameras": ODD_TEXTS}
    module = load_launch_file(LAUNCH_FILE)
    path = module.parameter_file(launch_context, "some", "car/front", values)
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node(
            "some",
            context=context,
            namespace="fleet/car/front",
            use_global_arguments=False,
            cli_args=["--ros-args", "--params-file", path],
            automatically_declare_parameters_from_overrides=True,
        )
        assert {name: node.get_parameter(name).value for name in values} == values
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
        Path(path).unlink()


def test_flags_may_have_capitals_and_paths_begin_with_the_user_s_folder(
    launch: Callable[..., Start], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A shell leaves `~` alone after `:=`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my own.yaml").write_text("/**:\n  ros__parameters:\n    device: cpu\n")
    start = launch(
        *("compressed:=True", "lockstep:=FALSE", "use_sim_time:=True", "threads:= 03"),
        *("params_file:=~/my own.yaml", "checkpoint:=1e-3"),
    )
    (_, own), *others = [(path, yaml.safe_load(text)) for path, text in start.parameters[1:]]
    assert [path for path, _ in start.parameters[1:2]] == [str(tmp_path / "my own.yaml")]
    assert own["/**"]["ros__parameters"] == {"device": "cpu"}
    values: dict[str, Any] = {}
    for _, content in others:
        values |= content["/depth_node"]["ros__parameters"]
    assert values == {
        **{"image_transport": "compressed", "lockstep": False, "use_sim_time": True},
        **{"threads": 3, "checkpoint": "1e-3"},
    }


def test_what_is_not_utf_8_is_one_line(launch: Callable[..., Start]):
    done = run_launch(b"checkpoint:=/m\xf6del.onnx")
    assert done.returncode != 0
    assert "not UTF-8, as parameters have to be" in done.stdout + done.stderr


def test_missing_executable_is_explained(bin_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = run_launch()
    assert done.returncode != 0
    assert "no executable 'depth_node': source install/setup.bash" in done.stdout + done.stderr


# --- replay.launch.py and rig.launch.py ---------------------------------------------------------


def test_dialects_are_those_of_the_package():
    module = load_launch_file(REPLAY)
    assert {
        name: (tuple(dialect.camera_topics[camera] for camera in range(4)), dialect.lidar_topic)
        for name, dialect in DIALECTS.items()
    } == module.DIALECTS
    assert {
        name: tuple(dialect.camera_frames[camera] for camera in range(4))
        for name, dialect in DIALECTS.items()
    } == module.FRAMES


def load_launch_file(file: Path) -> Any:
    pytest.importorskip("launch_ros.actions", reason="launch and launch_ros are not importable")
    spec = importlib.util.spec_from_file_location("under_test", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dialect", "camera", "lidar"),
    [
        ("kitti2bag", "/kitti/camera_color_left", "/kitti/velo/pointcloud"),
        ("kitti2mcap", "/kitti/camera_color_left", "/kitti/velodyne_points"),
        ("kitti_to_ros2bag", "/kitti/camera/color/left", "/kitti/velo"),
    ],
)
def test_a_dialect_names_the_topics_of_a_replay(
    bin_folder: Path, tmp_path: Path, dialect: str, camera: str, lidar: str
):
    names = ("depth_node", "replay_bag", "accuracy_monitor")
    records = {name: write_recorder(bin_folder / name) for name in names}
    bag = tmp_path / "a bag"
    bag.mkdir()
    done = run_launch(
        *(f"bag:={bag}", f"dialect:={dialect}", "namespace:=car", "accuracy:=true"),
        *("lockstep:=true", "rate:=2.5", "start:=3", "loop:=true", "calibration:=/day"),
        *("precision:=fp32", "pairing:=exact", "threads:=1", "camera_height:=1.4"),
        file=REPLAY,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    image, info = f"{camera}/image_raw", f"{camera}/camera_info"
    node, player, monitor = (read_start(records[name]) for name in names)
    assert {f"image:={image}", f"camera_info:={info}"} <= set(node.ros_arguments("-r"))
    values: dict[str, Any] = {}
    for _, text in node.parameters[1:]:
        values |= yaml.safe_load(text)["/car/depth_node"]["ros__parameters"]
    assert values == {
        **{"precision": "fp32", "pairing": "exact", "threads": 1, "camera_height": 1.4},
        **{"lockstep": True, "use_sim_time": True},
    }
    assert player.argv[1:] == [
        *(str(bag), "--clock", "--rate", "2.5", "--start", "3"),
        *("--wait-for-subscribers", image, info, "--wait-timeout", "300"),
        *("--loop", "--lockstep", f"{image}:=/car/depth/image", "--ros-args"),
    ]
    assert f"lidar:={lidar}" in monitor.ros_arguments("-r")
    assert "__ns:=/car" in monitor.ros_arguments("-r")
    ((_, text),) = monitor.parameters
    assert yaml.safe_load(text)["/car/accuracy_monitor"]["ros__parameters"] == {
        "use_sim_time": True,
        "camera": 2,
        "calibration": "/day",
    }
    assert all(start.profiles[0] is not None for start in (node, player, monitor))


@pytest.mark.parametrize(
    ("namespace", "full"),
    [([], "/robot1"), (["namespace:=car/front"], "/robot1/car/front"), (["namespace:=/a"], "/a")],
)
def test_a_namespace_of_the_including_file_counts(
    bin_folder: Path, tmp_path: Path, namespace: list[str], full: str
):
    """For the level of the log, the parameters and what the player waits for, as for the node."""
    records = [write_recorder(bin_folder / name) for name in ("depth_node", "replay_bag")]
    done = run_below_robot1(
        *(f"bag:={tmp_path}", "image:=/eye", "lockstep:=true", "log_level:=debug", *namespace),
        file=REPLAY,
        including=tmp_path / "robot.launch.py",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    node, player = map(read_start, records)
    assert f"__ns:={full}" in node.ros_arguments("-r")
    logger = f"{full[1:]}.depth_node".replace("/", ".")
    assert node.ros_arguments("--log-level") == [f"{logger}:=debug"]
    assert all(f"{full}/depth_node" in yaml.safe_load(text) for _, text in node.parameters[1:])
    assert player.argv[player.argv.index("--lockstep") + 1] == f"/eye:={full}/depth/image"


def test_a_replay_of_any_other_bag(bin_folder: Path, tmp_path: Path):
    records = {n: write_recorder(bin_folder / n) for n in ("depth_node", "replay_bag")}
    names = ("image:=/cam/rect", "camera_info:=/cam/info", "compressed:=true")
    done = run_launch(f"bag:={tmp_path}", *names, "use_sim_time:=false", file=REPLAY)
    assert done.returncode == 0, done.stdout + done.stderr
    player = read_start(records["replay_bag"])
    waited = player.argv.index("--wait-for-subscribers")
    assert player.argv[waited + 1 : waited + 3] == ["/cam/rect/compressed", "/cam/info"]
    assert "image:=/cam/rect" in read_start(records["depth_node"]).ros_arguments("-r")
    assert not (bin_folder / "accuracy_monitor.json").exists()
    done = run_launch("bag:=/no/such/bag", file=REPLAY)
    assert done.returncode != 0
    assert "bag: no such bag '/no/such/bag'" in done.stdout + done.stderr


def test_a_rig_has_one_node_for_all_cameras(bin_folder: Path):
    (start,) = run_rig(
        bin_folder,
        *("cameras:=front,rear_left", "image:=/sensing/{camera}/rect", "namespace:=car"),
        *("device:=cuda:0", "use_sim_time:=true", "log_level:=debug", "threads:=3"),
    )
    assert start.argv[0] == str(bin_folder / "rig_node")
    assert set(start.ros_arguments("-r")) == {
        *("__node:=rig_node", "__ns:=/car"),
        *("front/image:=/sensing/front/rect", "front/camera_info:=/front/camera_info"),
        "front/image/compressed:=/sensing/front/rect/compressed",
        *(
            "rear_left/image:=/sensing/rear_left/rect",
            "rear_left/camera_info:=/rear_left/camera_info",
        ),
        "rear_left/image/compressed:=/sensing/rear_left/rect/compressed",
    }
    assert start.ros_arguments("--log-level") == ["car.rig_node:=debug"]
    assert start.profiles[0] is not None
    files = [str(DEFAULTS), str(REPOSITORY / "config" / "rig_node.yaml")]
    assert [path for path, _ in start.parameters[:2]] == files
    assert overrides(start) == {
        **{"device": "cuda:0", "threads": 3, "use_sim_time": True},
        "cameras": ["front", "rear_left"],
    }


def test_a_rig_s_log_level_is_set_in_the_including_file_s_namespace(
    bin_folder: Path, tmp_path: Path
):
    record = write_recorder(bin_folder / "rig_node")
    including = tmp_path / "robot.launch.py"
    done = run_below_robot1("log_level:=debug", file=RIG, including=including)
    assert done.returncode == 0, done.stdout + done.stderr
    start = read_start(record)
    assert "__ns:=/robot1" in start.ros_arguments("-r")
    assert start.ros_arguments("--log-level") == ["robot1.rig_node:=debug"]


def test_a_rig_may_have_a_node_for_each_camera(bin_folder: Path):
    started = run_rig(
        bin_folder,
        *("separate:=true", "cameras:=front,rear_left", "image:=/sensing/{camera}/rect"),
        *("namespace:=car", "device:=cuda:0", "use_sim_time:=true"),
    )
    assert len(started) == 2
    for camera in ("front", "rear_left"):
        wanted = {
            f"__ns:=/car/{camera}",
            f"image:=/sensing/{camera}/rect",
            f"camera_info:=/{camera}/camera_info",
        }
        assert any(wanted <= set(start.argv) for start in started)


def run_rig(bin_folder: Path, *arguments: str) -> list[Start]:
    """Return how stand-ins of the nodes started."""
    folder = bin_folder / "starts"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("depth_node", "rig_node"):
        write_recorder(bin_folder / name, folder / "PID.json")
    done = run_launch(*arguments, file=RIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return [read_start(record) for record in folder.iterdir()]


def overrides(start: Start) -> dict[str, Any]:
    """Parameters of the launch file's arguments."""
    values: dict[str, Any] = {}
    for path, text in start.parameters:
        if not path.startswith(str(REPOSITORY)):
            (parameters,) = yaml.safe_load(text).values()
            values |= parameters["ros__parameters"]
    return values


def test_a_rig_passes_threads_on(bin_folder: Path):
    for arguments, expected in (["threads:=3"], 3), ([], None):
        started = run_rig(bin_folder, "separate:=true", "cameras:=a,b", *arguments)
        assert {overrides(start).get("threads") for start in started} == {expected}
        shutil.rmtree(bin_folder / "starts")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cameras:=front,2nd"], "cameras: '2nd' cannot be a namespace"),
        (["cameras:=a,a"], "cameras: a name is there twice: a,a"),
        (["image:=/image"], "image: '/image' is one topic for all cameras; write {camera} in it"),
    ],
)
def test_a_wrong_rig_is_explained(bin_folder: Path, arguments: list[str], says: str):
    done = run_launch(*arguments, file=RIG)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr


def test_the_real_node_answers_under_launch(bin_folder: Path):
    """One image in, one depth image out, through arguments, remapping and the shipped defaults."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image

    bin_folder.mkdir()
    executable = bin_folder / "depth_node"
    executable.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from hma_depth_ros.cli import main\nsys.exit(main())\n"
    )
    executable.chmod(0o755)
    info = CameraInfo(width=96, height=64, p=[80.0, 0, 48, 0, 0, 80, 32, 0, 0, 0, 1, 0])
    image = Image(width=96, height=64, encoding="rgb8", step=288)
    image.data.frombytes(np.random.default_rng(0).bytes(64 * 288))
    info.header.frame_id = image.header.frame_id = "camera_color_left"

    command = [sys.executable, "-c", LAUNCHER, str(LAUNCH_FILE), "namespace:=car", "device:=cpu"]
    command += ["image:=/cam/image", "camera_info:=/cam/camera_info"]
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("camera", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    images = node.create_publisher(Image, "/cam/image", 1)
    infos = node.create_publisher(CameraInfo, "/cam/camera_info", 1)
    received: list[Image] = []
    node.create_subscription(Image, "/car/depth/image", received.append, qos_profile_sensor_data)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as launched:
        try:
            for _ in range(300):  # at most 60 s, most of it the import of torch
                infos.publish(info)
                images.publish(image)
                executor.spin_once(timeout_sec=0.2)
                if received or launched.poll() is not None:
                    break
        finally:
            launched.send_signal(signal.SIGINT)  # as Ctrl-C does
            output = launched.communicate(timeout=20)[0].decode()
            node.destroy_node()
            rclpy.shutdown(context=context)
    assert received, output
    assert (received[0].width, received[0].height) == (96, 64)
    assert received[0].header.frame_id == "camera_color_left"
    assert launched.returncode == 0, output
    assert "process has died" not in output


def displays(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for display in group["Displays"]:
        yield display
        if "Displays" in display:
            yield from displays(display)


@pytest.fixture(scope="module")
def rviz() -> Any:
    """The `Visualization Manager` of the RViz configuration."""
    text = (REPOSITORY / "config" / "depth.rviz").read_text()
    return yaml.safe_load(text)["Visualization Manager"]


def test_rviz_shows_every_output(rviz: Any):
    by_topic = {d["Topic"]["Value"]: d for d in displays(rviz) if "Topic" in d}
    assert by_topic.keys() == {
        *("image", "depth/image", "depth/color", "points", "attention/color"),
        *(f"attention/scale_{scale}" for scale in (8, 4, 2, 1)),
    }
    for topic, display in by_topic.items():
        # Relative, so that namespaces work. The input may come from a best-effort driver.
        assert not topic.startswith("/")
        expected = "Best Effort" if topic == "image" else "Reliable"
        assert display["Topic"]["Reliability Policy"] == expected
        kind = "PointCloud2" if topic == "points" else "Image"
        assert display["Class"] == f"rviz_default_plugins/{kind}"
    # What is shown from the start is subscribed, and so computed by the node.
    shown = {d["Topic"]["Value"] for d in rviz["Displays"] if d["Enabled"] and "Topic" in d}
    assert shown == {"image", "depth/color", "attention/color", "points"}
    assert rviz["Global Options"]["Fixed Frame"] == "camera_color_left"


def test_rviz_s_docks_are_shown():
    """It reads both keys into a variable that it does not set: without them, who knows."""
    text = (REPOSITORY / "config" / "depth.rviz").read_text()
    geometry = yaml.safe_load(text)["Window Geometry"]
    assert (geometry["Hide Left Dock"], geometry["Hide Right Dock"]) == (False, False)


def test_rviz_looks_forward_and_upright_from_behind_the_camera(rviz: Any):
    """RViz's Orbit: the eye at distance, yaw and pitch around the focal point, its up towards +z.

    In an optical frame (x right, y down, z forward) the picture must still have -y at its top.
    """
    view = rviz["Views"]["Current"]
    assert view["Class"] == "rviz_default_plugins/Orbit"
    assert view["Target Frame"] == "<Fixed Frame>"
    assert abs(view["Pitch"]) < np.pi / 2 - 0.001  # RViz clamps there
    yaw, pitch = view["Yaw"], view["Pitch"]
    focal = np.array([view["Focal Point"][axis] for axis in "XYZ"], dtype=np.float64)
    towards_eye = np.array(
        [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]
    )
    eye, forward = focal + view["Distance"] * towards_eye, -towards_eye
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    assert eye[2] < -5.0  # metres behind the camera
    assert eye[1] < -3.0  # above it
    np.testing.assert_allclose(right, [1.0, 0.0, 0.0], atol=1e-3)
    assert forward[2] > 0.9
    assert up[1] < -0.9


def test_rviz_s_road_lies_under_a_kitti_camera(rviz: Any):
    (grid,) = (d for d in rviz["Displays"] if d["Class"] == "rviz_default_plugins/Grid")
    assert grid["Plane"] == "XZ"
    assert grid["Offset"]["Y"] == 1.65  # Geiger et al. 2013, Fig. 3
    half = grid["Plane Cell Count"] * grid["Cell Size"] / 2
    assert (grid["Offset"]["Z"] - half, grid["Offset"]["Z"] + half) == (0, 80)


def test_tf_static_override_latches():
    (profile,) = yaml.safe_load((REPOSITORY / "config" / "tf_static_qos.yaml").read_text()).values()
    assert profile["durability"] == "transient_local"
    assert profile["reliability"] == "reliable"
