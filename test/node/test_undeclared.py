"""What is given of a node and has no effect is said once: parameters that it does not have."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from hma_depth_ros.ros.accuracy.node import AccuracyMonitor
from hma_depth_ros.ros.depth_node.rig_node import RigNode
from hma_depth_ros.ros.parameter_types import nearest
from hma_depth_ros.ros.undeclared import (
    instead_of_parameters,
    remapping,
    report_unaddressed,
    report_undeclared,
)

from .conftest import StartBench
from .graph import write_yaml

IGNORED = "no parameter of this node, and without effect: "
CURE = ". What a file has for other nodes belongs under their names, not under /**"

Make = Callable[..., Node]


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What all nodes of the process warn of."""
    said: list[str] = []
    logger = type("Logger", (), {"warning": lambda _, text: said.append(text)})()
    monkeypatch.setattr(Node, "get_logger", lambda _: logger)
    return said


@pytest.fixture
def make(context: Context) -> Iterator[Make]:
    """Make a node `/car/made` of a class, with parameters or arguments."""
    nodes: list[Node] = []

    def made(kind: Callable[..., Node], *arguments: str, **given: Any) -> Node:
        nodes.append(
            kind(
                "made",
                namespace="car",
                context=context,
                use_global_arguments=False,
                cli_args=["--ros-args", *arguments] if arguments else None,
                parameter_overrides=[Parameter(n, value=v) for n, v in given.items()],
            )
        )
        return nodes[-1]

    yield made
    for node in nodes:
        node.destroy_node()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("checkpiont", "checkpoint"),
        ("prescision", "precision"),
        ("frnt.camera_hight", "front.camera_height"),
        ("back.camera_height", None),  # though most of it is the same
        ("camera_height.front", None),
        ("threads.front", None),
        ("ckpt", None),
    ],
)
def test_a_name_is_misspelt_part_by_part(name: str, meant: str | None):
    known = ["checkpoint", "precision", "threads", "camera_height", "front.camera_height"]
    assert nearest(name, known) == meant


def test_the_depth_node_says_once_what_it_has_no_use_for(start: StartBench, tmp_path: Path):
    """From wherever it comes; a live change that is refused says it, too."""
    shared = write_yaml(
        tmp_path / "all.yaml",
        """
        /**:
          ros__parameters: {frame_rate: 30, use_sim_time: false, max_range: 50.0}
        camera_driver:
          ros__parameters: {exposure: 5}
        """,
    )
    given = ("--params-file", shared, "-p", "checkpiont:=x", "-p", "image:=/cam/image")
    qos = {"qos_overrides.{ns}/points.publisher.depth": 3}  # declared with the topic
    bench = start(arguments=given, inputs={"publish": False}, **qos)
    named = "checkpiont (did you mean checkpoint?), image (a topic: -r image:=TOPIC), frame_rate"
    assert bench.hears("without effect") == IGNORED + named + CURE
    assert len(bench.said()) == 1
    assert not bench.set(max_rnage=1.0).successful
    assert bench.set(max_rnage=1.0).reason == (
        "max_rnage: no parameter of this node; did you mean max_range?"
    )
    assert bench.set(zzz=1.0).reason == "zzz: no parameter of this node"
    assert bench.change("deactivate")
    assert bench.change("cleanup")
    assert bench.change("configure")
    assert len(bench.said()) == 1


def test_what_every_node_has_is_no_concern(make: Make, warnings: list[str]):
    names = "-p", "use_sim_time:=true", "-p", "start_type_description_service:=true"
    node = make(Node, *names, "-p", "qos_overrides./clock.subscription.depth:=3")
    for overridable in (True, False):
        report_undeclared(node, overridable=overridable)
    assert warnings == []


def test_a_rig_knows_what_its_cameras_could_have(make: Make, warnings: list[str]):
    given = {"frnt.camera_height": 1.5, "front.max_range": 40.0, "aside.max_range": 40.0}
    make(RigNode, autostart=False, cameras=["front", "rear"], **given)
    named = "frnt.camera_height (did you mean front.camera_height?), aside.max_range"
    assert warnings == [IGNORED + named + CURE]


def test_the_accuracy_monitor_says_it_too(make: Make, warnings: list[str]):
    make(AccuracyMonitor, windows=9, lidar="/velo", lidar_to_camera=[0.0] * 6 + [1.0])
    named = "lidar (a topic: -r lidar:=TOPIC), windows (did you mean window?)"
    assert warnings == [IGNORED + named + CURE]


def test_a_command_s_options_are_no_parameters(make: Make, warnings: list[str]):
    """Nor are the topics that it plays or records such as parameters override."""
    override = "qos_overrides./image.publisher.depth"
    node = make(Node, **{"wait_timeout": 1.0, override: 3})
    advice = instead_of_parameters(Namespace(rate=1.0, wait_timeout=60.0))
    report_undeclared(node, advice=advice, overridable=False)
    option = "wait_timeout (an option: --wait-timeout, before --ros-args)"
    assert warnings == [f"{IGNORED}{option}, {override}{CURE}"]


def test_a_file_for_a_fleet_does_not_flood_the_log(make: Make, warnings: list[str]):
    node = make(Node, image="/a", **{f"p{number}": 1 for number in range(10, 30)})
    report_undeclared(node, advice=remapping("image"))
    (warning,) = warnings
    names = [f"p{number}" for number in range(10, 18)]
    assert ", ".join(["image (a topic: -r image:=TOPIC)", *names]) + " and 12 more" in warning


@pytest.mark.parametrize(
    ("section", "reaches"),
    [
        ("/**", True),
        ("**", True),
        ("/**/*", True),
        ("/*", False),
        ("/*/made", True),
        ("made", False),
        ("/made", False),
        ("car/made", True),
        ("/car/made", True),
        ("/car:\n  made", True),
        ("/**/car/made", True),
        ("/**/made", True),
        ("/car/made/more", False),
    ],
)
def test_a_section_reaches_a_node_as_rcl_says(
    make: Make, warnings: list[str], tmp_path: Path, section: str, reaches: bool
):
    above, _, below = section.partition(":\n  ")
    inner = f'  "{below}":\n' if below else ""
    text = f'"{above}":\n{inner}    ros__parameters: {{given: !!python/tuple [1, 2]}}\n'
    file = write_yaml(tmp_path / "some.yaml", text.replace("!!python/tuple ", ""))
    node = make(Node, "--params-file", file)
    assert ("given" in node._parameter_overrides) == reaches
    write_yaml(tmp_path / "some.yaml", text)  # as launch writes it, which rcl reads alike
    report_unaddressed(node, ["--ros-args", "--params-file", file])
    assert len(warnings) == (not reaches)


def test_a_file_for_nobody_is_named(make: Make, warnings: list[str], tmp_path: Path):
    file = write_yaml(tmp_path / "my.yaml", "/car/mad:\n  ros__parameters: {a: 1}\n")
    other = write_yaml(tmp_path / "other.yaml", "/car/made:\n  ros__parameters: {a: 1}\n")
    node = make(Node, "--params-file", file, "--params-file", other)
    report_unaddressed(node, ["--ros-args", "--params-file", file, "--params-file", other])
    assert warnings == [
        f"{file}: nothing in it has effect, for its sections are of /car/mad and none is of "
        "/car/made or /**; did you mean /car/made by /car/mad?"
    ]
