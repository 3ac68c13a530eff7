"""Lines of the documents that start nodes: what they remap and grant is the node's."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.depth_node.rig_node import RigNode
from hma_depth_ros.ros.spin import make_executor

from .documented import REPOSITORY, blocks_run_by, commands

POLICY = REPOSITORY / "docs" / "examples" / "sros2_policy.xml"


def programs(page: str) -> list[list[str]]:
    """Words of each node that the page starts; those of `ros2 launch` are another test's."""
    found = [words for block in blocks_run_by(__file__, page) for words in commands(block.text)]
    return [words for words in found if not words[0].endswith(".launch.py")]


@contextmanager
def started(words: Sequence[str], checkpoint: Path) -> Iterator[DepthNode]:
    """The node of such a line, active, with a small network on the CPU."""
    name, *arguments = words
    small = ["-p", f"checkpoint:={checkpoint}", "-p", "device:=cpu", "-p", "engine:=torch"]
    context = Context()
    rclpy.init(args=[*arguments, *small], context=context)
    node = {"depth_node": DepthNode, "rig_node": RigNode}[name](context=context)
    executor = make_executor(context)
    executor.add_node(node)
    try:
        deadline = time.monotonic() + 60
        while len(topics(node, "subscriber") & set(remapped(words).values())) < 2:
            assert time.monotonic() < deadline, "it subscribes when it is active"
            executor.spin_once(timeout_sec=0.2)
        yield node
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def topics(node: Node, kind: str) -> set[str]:
    """Full names of what a node publishes (`publisher`), subscribes to or serves (`service`)."""
    by_node = getattr(node, f"get_{kind}_names_and_types_by_node")
    return {name for name, _ in by_node(node.get_name(), node.get_namespace())}


def remapped(words: Sequence[str]) -> dict[str, str]:
    """By the node's own names."""
    rules = [after for flag, after in pairwise(words) if flag == "-r"]
    return dict(rule.split(":=") for rule in rules)


def check_remapping(node: Node, words: Sequence[str]) -> None:
    names = topics(node, "publisher") | topics(node, "subscriber")
    rules = remapped(words)
    assert set(rules.values()) - names == set(), words
    assert {f"/{name}" for name in rules} & names - set(rules.values()) == set(), words


@pytest.mark.parametrize("words", programs("from_depth_anything.md"), ids=" ".join)
def test_listeners_of_other_nodes_hear_this_one(words: list[str], uncertain_checkpoint: Path):
    with started(words, uncertain_checkpoint) as node:
        check_remapping(node, words)
        if "cloud_stride:=2" in words:
            assert node.get_parameter("cloud_stride").value == 2


def test_a_rig(tiny_checkpoint: Path):
    (words,) = programs("node.md")
    with started(words, tiny_checkpoint) as node:
        check_remapping(node, words)
        assert "/rear/depth/image" in topics(node, "publisher")
        assert node.get_parameter("front.camera_height").value == 1.5


def granted(enclave: str, what: str, way: str) -> set[str]:
    """Full names, with wildcards, that the policy gives the one node of an enclave."""
    (profile,) = ET.parse(POLICY).iterfind(f".//enclave[@path='{enclave}']/profiles/profile")
    space = profile.attrib["ns"].rstrip("/")
    node = f"{space}/{profile.attrib['node']}"
    names: set[str] = set()
    for group in profile.iterfind(f"{what}s[@{way}='ALLOW']"):
        for tag in group.iter(what):
            name = tag.text or ""
            own = name.replace("~", node, 1) if name.startswith("~") else f"{space}/{name}"
            names.add(name if name.startswith("/") else own)
    return names


def test_the_policy_grants_the_node_what_it_does(uncertain_checkpoint: Path):
    """And the others what of it they are there for."""
    (words,) = programs("security.md")
    arguments: list[Any] = [*words, "-p", "use_sim_time:=true"]
    with started(arguments, uncertain_checkpoint) as node:
        check_remapping(node, words)
        done = {
            ("topic", "publish"): topics(node, "publisher"),
            ("topic", "subscribe"): topics(node, "subscriber"),
            ("service", "reply"): topics(node, "service"),
        }
    assert "/clock" in done["topic", "subscribe"]
    for (what, way), names in done.items():
        rules = granted("/depth", what, way)
        denied = {n for n in names if not any(fnmatchcase(n, rule) for rule in rules)}
        assert denied == set(), (what, way)
        idle = {rule for rule in rules if not any(fnmatchcase(n, rule) for n in names)}
        assert idle <= {"/parameter_events"}, "what the node does not do it need not be let do"
    assert set(remapped(words).values()) <= granted("/camera", "topic", "publish")
    heard = granted("/planner", "topic", "subscribe") - {"/clock", "/parameter_events"}
    assert heard <= granted("/depth", "topic", "publish")
