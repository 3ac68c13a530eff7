"""Code, config/depth_node.yaml and README agree on the parameters, and none is dead."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from hma_depth_ros.ros.parameters import (
    DepthNodeParameters,
    ParameterError,
    descriptor,
    is_live,
    validate,
)

REPOSITORY = Path(__file__).resolve().parent.parent

NAMES = [f.name for f in fields(DepthNodeParameters)]


def test_the_yaml_file_lists_every_parameter_with_its_default():
    text = (REPOSITORY / "config" / "depth_node.yaml").read_text(encoding="utf-8")
    listed = yaml.safe_load(text)["/**"]["ros__parameters"]
    listed["region"] = tuple(listed["region"])
    assert listed == {f.name: f.default for f in fields(DepthNodeParameters)}


def test_the_readme_lists_every_parameter_with_its_default():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = text.split("### Parameters")[1].split("\n### ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    defaults = {f.name: yaml.safe_load(rows[f.name]) for f in fields(DepthNodeParameters)}
    defaults["region"] = tuple(defaults["region"])
    assert set(rows) == set(NAMES)
    assert DepthNodeParameters(**defaults) == DepthNodeParameters()
    live = set(re.findall(r"^\| `(\w+)` \| .+? \| live: ", section, re.MULTILINE))
    read_only = {name for name in NAMES if descriptor(name).read_only}
    assert live == {name for name in NAMES if is_live(name) and name not in read_only}


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described_and_used(name: str):
    assert len(descriptor(name).description) > 15
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (REPOSITORY / "hma_depth_ros" / "ros").glob("*.py")
    )
    # As an attribute of the values, outside the table that declares it.
    assert re.search(rf"\b(parameters|values|startup|self)\.{name}\b", source), "dead parameter"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", "half"),
        ("engine", "tensorrt9"),
        ("region", (0, 0, 10)),
        ("region", (0, 0, 10, 0)),
        ("region", (-1, 0, 10, 10)),
    ],
)
def test_impossible_values_are_named(name: str, value: object):
    with pytest.raises(ParameterError, match=f"{name} is .*must be"):
        validate(name, value)
