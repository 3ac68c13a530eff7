"""Parameters of the right type: what is to be written instead of a value of another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from hma_depth_ros.errors import HmaDepthError

_Type = Parameter.Type

#: Of difflib, from 0 to 1, of two names of which one may be the other misspelt.
_ALIKE = 0.75


class ParameterError(HmaDepthError):
    """A parameter value that a node cannot use."""


def given_values(node: Node) -> Mapping[str, Any]:
    """What the user has given at the start, declared or not."""
    return {name: given.value for name, given in node._parameter_overrides.items()}


def declare(
    node: Node, name: str, default: Any, descriptor: ParameterDescriptor, *, subject: str = ""
) -> Any:
    """Declare a parameter; return its value. Errors begin with `subject`, or else its name.

    Raises:
        ParameterError: the value given at the start is of another type or out of range.

    """
    try:
        return node.declare_parameter(name, default, descriptor).value
    except ParameterException as error:
        wanted = _Type.from_parameter_value(default)
        hint = instead(given_values(node).get(name), wanted)
        raise ParameterError(f"{subject or f'parameter {name}'}: {error}{hint}") from error


def instead(value: Any, wanted: Parameter.Type) -> str:
    """What to write instead of a value of another type, as the end of a sentence.

    YAML and the command line tell types apart by how a value is written: 60 is no float, and '60'
    is neither.
    """
    if _Type.from_parameter_value(value) == wanted:
        return ""
    written = _conversion(value, wanted)
    return f"; write {written}" if written else ""


def _conversion(value: Any, wanted: Parameter.Type) -> str:
    if wanted == _Type.BOOL:
        return "true or false"
    if wanted == _Type.STRING and isinstance(value, (bool, int, float)):
        return f"\"'{str(value).lower()}'\", with both pairs of quotes on a command line"
    is_list = wanted in (_Type.DOUBLE_ARRAY, _Type.INTEGER_ARRAY)
    numbers = list(value) if is_list and not isinstance(value, (str, int, float)) else [value]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers):
        return ""
    if wanted in (_Type.DOUBLE, _Type.DOUBLE_ARRAY):
        converted = [repr(float(n)) for n in numbers]
    elif all(float(n).is_integer() for n in numbers):
        converted = [str(int(n)) for n in numbers]
    else:
        return "a list of whole numbers" if is_list else "a whole number"
    return f"[{', '.join(converted)}]" if is_list else converted[0]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, in each of its parts between dots."""
    parts = name.split(".")

    def is_like(other: str) -> bool:
        pairs = zip(parts, other.split("."), strict=False)
        same_depth = other.count(".") == len(parts) - 1
        return same_depth and all(get_close_matches(a, [b], cutoff=_ALIKE) for a, b in pairs)

    return next(iter(get_close_matches(name, filter(is_like, known), n=1)), None)


class ForgivingParameters(Node):
    """A node that takes every value that a parameter has already, read-only or not.

    Of a value of another type it says how to write it. Without the former, what `ros2 param
    dump` wrote could not be loaded.
    """

    def set_parameters(self, parameter_list: list[Parameter[Any]]) -> list[SetParametersResult]:
        """See `Node`."""
        return [self.set_parameters_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(
        self, parameter_list: list[Parameter[Any]]
    ) -> SetParametersResult:
        """See `Node`; the services of the parameters call it, too."""
        for parameter in parameter_list:
            if not self.has_parameter(parameter.name):
                near = nearest(parameter.name, self.get_parameters_by_prefix(""))
                hint = f"; did you mean {near}?" if near else ""
                reason = f"{parameter.name}: no parameter of this node{hint}"
                return SetParametersResult(successful=False, reason=reason)
        changes = [parameter for parameter in parameter_list if not self._has(parameter)]
        if not changes:
            return SetParametersResult(successful=True)
        result = super().set_parameters_atomically(changes)
        if not result.successful:
            for change in changes:
                result.reason += instead(change.value, self.get_parameter(change.name).type_)
        return result

    def _has(self, parameter: Parameter[Any]) -> bool:
        present = self.get_parameter(parameter.name)
        same_type = present.type_ == parameter.type_
        return same_type and _plain(present.value) == _plain(parameter.value)


def _plain(value: Any) -> Any:
    """Arrays as lists, which compare as a whole."""
    return value if isinstance(value, (str, bool, int, float)) or value is None else list(value)
