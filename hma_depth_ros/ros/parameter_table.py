"""A node's parameters as a dataclass: names, defaults, limits and meanings in one table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from hma_depth_ros.ros import parameter_types
from hma_depth_ros.ros.parameter_types import ParameterError

#: Columns of the help text.
_WIDTH = 100


def parameter(
    default: Any,
    description: str,
    *,
    choices: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
    live: bool = True,
    read_only: bool = False,
    of_camera: bool = False,
) -> Any:
    """Field of a table.

    Args:
        default: its value, of the parameter's type; a tuple is an array.
        description: for people, in whole sentences.
        choices: all values that there are.
        limits: least and greatest value.
        live: whether a change takes effect while the node runs.
        read_only: whether it is fixed from the start.
        of_camera: whether cameras of one node may differ in it.

    """
    return field(
        default=default,
        metadata={
            "description": description,
            "choices": tuple(choices),
            "limits": limits,
            "live": live,
            "read_only": read_only,
            "of_camera": of_camera,
        },
    )


def metadata(table: type[Any], name: str) -> Mapping[str, Any]:
    """What `parameter` was told."""
    return next(f.metadata for f in fields(table) if f.name == name)


def names(table: type[Any]) -> list[str]:
    """All parameters of the table, not of rclpy's own (use_sim_time, qos_overrides...)."""
    return [f.name for f in fields(table)]


def descriptor(table: type[Any], name: str) -> ParameterDescriptor:
    """Describe a parameter to `ros2 param describe`, with its limits or choices."""
    meta = metadata(table, name)
    result = ParameterDescriptor(description=meta["description"], read_only=meta["read_only"])
    if meta["choices"]:
        result.additional_constraints = f"one of: {', '.join(meta['choices'])}"
    if meta["limits"]:
        low, high = meta["limits"]
        if isinstance(low, int):
            result.integer_range = [IntegerRange(from_value=low, to_value=int(high), step=1)]
        else:
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return result


def declare(node: Node, table: type[Any]) -> None:
    """Declare every parameter of the table on `node`.

    Raises:
        ParameterError: the value given at start has the wrong type or is out of range.

    """
    for f in fields(table):
        parameter_types.declare(node, f.name, _default(f), descriptor(table, f.name))


def check_choice(table: type[Any], name: str, value: Any) -> None:
    """Check what a descriptor cannot express; limits and types are rclpy's business.

    Raises:
        ParameterError: naming the parameter and what it may be.

    """
    choices = metadata(table, name)["choices"]
    if choices and value not in choices:
        raise ParameterError(f"{name} is '{value}'; it must be one of {', '.join(choices)}")


def help_text(table: type[Any]) -> str:
    """Every parameter with its default and meaning, for `--help`."""
    lines = ["parameters (--ros-args -p NAME:=VALUE, or --params-file FILE), with their defaults:"]
    for f in fields(table):
        meta = f.metadata
        about = meaning(table, f.name)
        if meta["live"] and not meta["read_only"]:
            about += " May be changed while the node runs."
        lines.append(f"  {f.name} ({written_default(table, f.name)})")
        lines += textwrap.wrap(about, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def meaning(table: type[Any], name: str) -> str:
    """Description, choices and limits of a parameter, in sentences."""
    meta = metadata(table, name)
    sentences = [meta["description"]]
    if meta["choices"]:
        sentences.append(f"One of {', '.join(meta['choices'])}.")
    if meta["limits"]:
        sentences.append(f"From {meta['limits'][0]} to {meta['limits'][1]}.")
    return " ".join(sentences)


def written_default(table: type[Any], name: str) -> str:
    """A parameter's default as YAML has it."""
    value = next(_default(f) for f in fields(table) if f.name == name)
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if value == "" else str(value)


def _default(f: Field[Any]) -> Any:
    assert f.default is not MISSING
    return list(f.default) if isinstance(f.default, tuple) else f.default
