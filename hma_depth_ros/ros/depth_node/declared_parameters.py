"""The parameters of a node and of each of its cameras: declared, judged and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from hma_depth_ros.ros import parameter_table, parameter_types
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.parameter_types import ParameterError, given_values

P = TypeVar("P", bound=DepthNodeParameters)

#: Those that count before the node is configured; the rest is judged then.
_FROM_THE_START = ("autostart", "tune_malloc", "diagnostics_period", "hardware_id")


class DeclaredParameters(Generic[P]):
    """A table's parameters on a node; cameras may have some of their own, as CAMERA.NAME.

    A camera's own parameters are those that are given so at the start. In all others it follows the
    node's.
    """

    def __init__(self, node: Node, table: type[P]) -> None:
        """Declare the node's.

        Raises:
            ParameterError: the value given at start has the wrong type or is out of range.

        """
        self._node, self._table = node, table
        self._own: dict[str, tuple[str, str]] = {}  # camera and name, by full name
        parameter_table.declare(node, table)

    def declare_own(self, cameras: Sequence[str]) -> None:
        """Declare what is given of these cameras.

        Raises:
            ParameterError: as above; or a camera cannot have such a parameter of its own.

        """
        for full in sorted(given_values(self._node)):
            camera, _, name = full.partition(".")
            if not name or camera not in cameras:
                continue
            names = parameter_table.names(self._table)
            if name not in names or not parameter_table.metadata(self._table, name)["of_camera"]:
                own = [o.partition(".")[2] for o in self.possible_own([camera])]
                what = "is of the whole node" if name in names else "is no parameter"
                raise ParameterError(
                    f"{full}: {name} {what}; a camera may have of its own: {', '.join(own)}"
                )
            default = self._node.get_parameter(name).value
            descriptor = parameter_table.descriptor(self._table, name)
            parameter_types.declare(self._node, full, default, descriptor)
            self._own[full] = camera, name

    def possible_own(self, cameras: Sequence[str]) -> list[str]:
        """All that these cameras could have of their own."""
        of_camera = [
            name
            for name in parameter_table.names(self._table)
            if parameter_table.metadata(self._table, name)["of_camera"]
        ]
        return [f"{camera}.{name}" for camera in cameras if camera for name in of_camera]

    def from_the_start(self, camera: str = "") -> P:
        """A camera's values that count before the node is configured; others are the defaults."""
        values: dict[str, Any] = {}
        for name in _FROM_THE_START:
            full = f"{camera}.{name}"
            values[name] = self._node.get_parameter(full if full in self._own else name).value
        return self._table(**values)

    def read(self) -> P:
        """The node's current values.

        Raises:
            ParameterError: a value is not one of its choices.

        """
        return self._table(**{f.name: self._value(f.name, f.name) for f in fields(self._table)})

    def read_own(self, common: P, camera: str) -> P:
        """The current values of one camera, where those of the node are `common`.

        Raises:
            ParameterError: a value is not one of its choices.

        """
        own = {
            name: self._value(full, name) for full, (c, name) in self._own.items() if c == camera
        }
        return replace(common, **own)

    def _value(self, full: str, name: str) -> Any:
        value = self._node.get_parameter(full).value
        self._check(full, name, value)
        return value if isinstance(value, (str, bool, int, float)) else tuple(value)

    def _check(self, full: str, name: str, value: Any) -> None:
        try:
            self._table.check(name, value)
        except ParameterError as error:
            raise error if full == name else ParameterError(f"{full}: {error}") from error

    def concern(self, changes: Sequence[Parameter]) -> bool:
        """Whether one of the changes is of these parameters, and not of rclpy's own."""
        return any(self._name(change.name) is not None for change in changes)

    def judge(self, changes: Sequence[Parameter], *, configured: bool) -> SetParametersResult:
        """Say whether the parameters may be changed so, in the node's state."""
        for change in changes:
            name = self._name(change.name)
            if name is None:
                continue
            try:
                self._check(change.name, name, change.value)
            except ParameterError as error:
                return SetParametersResult(successful=False, reason=str(error))
            if configured and not parameter_table.metadata(self._table, name)["live"]:
                reason = (
                    f"{change.name} takes effect while configuring only: run 'ros2 lifecycle set "
                    f"{self._node.get_fully_qualified_name()}' with deactivate and cleanup, set "
                    "it, then configure and activate"
                )
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _name(self, full: str) -> str | None:
        """Name in the table; None of a parameter that is not of it."""
        if full in self._own:
            return self._own[full][1]
        return full if full in parameter_table.names(self._table) else None
