"""Code and config/depth_node.yaml agree on the parameters, and none is dead."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from hma_depth_ros.cli import run
from hma_depth_ros.ros import parameter_table
from hma_depth_ros.ros.accuracy.monitor_parameters import MonitorParameters
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.rig_parameters import RigParameters
from hma_depth_ros.ros.parameter_types import ParameterError

REPOSITORY = Path(__file__).resolve().parent.parent

NAMES = [f.name for f in fields(DepthNodeParameters)]
#: What the rig node has beyond them.
RIG = [f for f in fields(RigParameters) if f.name not in NAMES]


def as_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def test_the_yaml_file_lists_every_parameter_with_its_default():
    text = (REPOSITORY / "config" / "depth_node.yaml").read_text(encoding="utf-8")
    listed = as_tuples(yaml.safe_load(text)["/**"]["ros__parameters"])
    assert listed == {f.name: f.default for f in fields(DepthNodeParameters)}
    text = (REPOSITORY / "config" / "rig_node.yaml").read_text(encoding="utf-8")
    listed = as_tuples(yaml.safe_load(text)["/**"]["ros__parameters"])
    assert listed == {f.name: f.default for f in RIG}


@pytest.mark.parametrize("name", [*NAMES, *(f.name for f in RIG)])
def test_every_parameter_is_described_and_used(name: str):
    assert len(parameter_table.descriptor(RigParameters, name).description) > 15
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (REPOSITORY / "hma_depth_ros" / "ros").rglob("*.py")
    )
    # As an attribute of the values, outside the table that declares it.
    assert re.search(rf"\b(parameters|values|startup|limits|self)\.{name}\b", source), (
        "dead parameter"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", "half"),
        ("engine", "tensorrt9"),
        ("region", (0, 0, 10)),
        ("region", (0, 0, 10, 0)),
        ("region", (-1, 0, 10, 10)),
        ("cameras", ("front", "2nd")),
        ("cameras", ("front", "_rear")),
        ("cameras", ("vörne",)),
        ("cameras", ("front", "front")),
        ("cameras", ()),
    ],
)
def test_impossible_values_are_named(name: str, value: object):
    with pytest.raises(ParameterError, match=f"{name} is .*must|{name}: .* cannot be"):
        RigParameters.check(name, value)


def test_the_monitor_uses_every_parameter():
    source = (REPOSITORY / "hma_depth_ros" / "ros" / "accuracy" / "node.py").read_text()
    names = parameter_table.names(MonitorParameters)
    assert [n for n in names if not re.search(rf"\b(settings|live)\.{n}\b", source)] == []


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("depth_node", DepthNodeParameters),
        ("rig_node", RigParameters),
        ("accuracy_monitor", MonitorParameters),
    ],
)
def test_help_prints_every_parameter(
    command: str, table: type[Any], capsys: pytest.CaptureFixture[str]
):
    for flag in ("-h", "--help"):
        with pytest.raises(SystemExit) as end:
            run([command, flag, "--ros-args", "-r", "image:=/x"])
        assert end.value.code == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"usage: {command} [-h] [--ros-args ")
        listed = dict(re.findall(r"^  (\w+) \((.+)\)\n {6}\w", printed, re.MULTILINE))
        defaults = {name: yaml.safe_load(default) for name, default in listed.items()}
        assert defaults == {
            f.name: list(f.default) if isinstance(f.default, tuple) else f.default
            for f in fields(table)
        }
        assert max(map(len, printed.splitlines())) <= 100


@pytest.mark.parametrize("arguments", [["image:=/camera"], ["--image", "/camera"], ["-p", "a:=1"]])
def test_what_ros_would_ignore_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    """As ROS 1 was told; ROS 2 looks at nothing before --ros-args."""
    with pytest.raises(SystemExit) as end:
        run(["depth_node", *arguments, "--ros-args", "-r", "__ns:=/car"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert f"unrecognized arguments: {' '.join(arguments)}; parameters and remappings" in error
    assert "--ros-args -p NAME:=VALUE -r FROM:=TO" in error
