"""Parameters that were given and that the node does not have, which ROS ignores in silence.

rclpy hands a node all values that concern it, of its own section of a file, of `/**` and of the
command line, in one table: which of them was meant for another node, it does not say. So all are
named, in one line and once. A file without any section for the node is another accident of the
kind.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

import yaml
from rclpy.node import Node

from hma_depth_ros.argument_checks import option_name
from hma_depth_ros.ros.parameter_types import given_values, nearest
from hma_depth_ros.ros.topic_qos import OVERRIDES, ROS_TOPICS

#: Names without a nearest one that are said in full.
_FEW = 8
_FILE_OPTION = "--params-file"
_VALUES = "ros__parameters"


def report_undeclared(
    node: Node,
    *,
    possible: Iterable[str] = (),
    advice: Mapping[str, str] | None = None,
    overridable: bool = True,
) -> None:
    """Warn of what was given at the start and is no parameter of the node.

    To be called when all are declared.

    Args:
        node: that has them.
        possible: parameters that it could have and has not declared, such as a camera's own.
        advice: what to write instead, by name: of a topic, or of a command's option.
        overridable: whether the node's topics have their quality of service overridden by
            parameters, which are declared with each topic and judged there.

    """
    elsewhere = (OVERRIDES,) if overridable else tuple(f"{OVERRIDES}{t}." for t in ROS_TOPICS)
    declared = set(node.get_parameters_by_prefix(""))
    ignored = sorted(
        name
        for name in given_values(node)
        if name not in declared and not name.startswith(elsewhere)
    )
    if not ignored:
        return
    known = sorted({*declared, *possible})
    hints = {name: _hint(name, known, advice or {}) for name in ignored}
    said = [f"{name} ({hint})" for name, hint in hints.items() if hint]
    plain = [name for name, hint in hints.items() if not hint]
    said += plain[:_FEW]
    more = f" and {len(plain) - _FEW} more" if len(plain) > _FEW else ""
    node.get_logger().warning(
        f"no parameter of this node, and without effect: {', '.join(said)}{more}. What a file has "
        "for other nodes belongs under their names, not under /**"
    )


def report_ignored(
    node: Node, arguments: Sequence[str], *, advice: Mapping[str, str] | None = None
) -> None:
    """Both warnings, for a node of a command, whose topics have no quality of service overridden.

    Args:
        node: that has declared its parameters.
        arguments: of its executable.
        advice: as of `report_undeclared`.

    """
    report_undeclared(node, advice=advice, overridable=False)
    report_unaddressed(node, arguments)


def remapping(*topics: str) -> dict[str, str]:
    """Advice for whoever takes a topic's name for a parameter."""
    return {topic: f"a topic: -r {topic}:=TOPIC" for topic in topics}


def instead_of_parameters(arguments: Namespace) -> dict[str, str]:
    """Advice for whoever takes a command's options for parameters."""
    return {n: f"an option: {option_name(n)}, before --ros-args" for n in vars(arguments)}


def _hint(name: str, known: Sequence[str], advice: Mapping[str, str]) -> str:
    if name in advice:
        return advice[name]
    near = nearest(name, known)
    return f"did you mean {near}?" if near else ""


def report_unaddressed(node: Node, arguments: Sequence[str]) -> None:
    """Warn of parameter files in which no section is of this node, so that nothing reaches it.

    Args:
        node: that was given them.
        arguments: of its executable.

    """
    name = node.get_fully_qualified_name()
    for option, file in pairwise(arguments):
        if option != _FILE_OPTION:
            continue
        sections = list(_sections(yaml.compose(Path(file).read_text(encoding="utf-8"))))
        if not any(_is_of(section, name) for section in sections):
            near = get_close_matches(name, sections, n=1)
            hint = f"; did you mean {name} by {near[0]}?" if near else ""
            node.get_logger().warning(
                f"{file}: nothing in it has effect, for its sections are of "
                f"{', '.join(sections) or 'nobody'} and none is of {name} or /**{hint}"
            )


def _sections(node: yaml.Node | None, above: str = "") -> Iterator[str]:
    """Names of nodes, or patterns of them, that a file has values for; read off its syntax.

    Its values may have tags that only others understand, such as launch's.
    """
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value == _VALUES:
            yield above or "/"
        else:
            yield from _sections(value, f"{above}/{key.value.strip('/')}")


def _is_of(section: str, name: str) -> bool:
    """Whether a section is of a node; `*` stands for one part of the name, `**` for any number."""
    return _match(section.split("/")[1:], name.split("/")[1:])


def _match(patterns: Sequence[str], parts: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    first, rest = patterns[0], patterns[1:]
    if first == "**":
        return any(_match(rest, parts[count:]) for count in range(len(parts) + 1))
    return bool(parts) and first in ("*", parts[0]) and _match(rest, parts[1:])
