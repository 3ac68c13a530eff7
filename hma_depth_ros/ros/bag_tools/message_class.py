"""The Python class of a message type known by name only."""

from __future__ import annotations

import importlib
import re
from typing import Any

from hma_depth_ros.errors import HmaDepthError


def message_class(type_name: str) -> type[Any] | None:
    """Class of `sensor_msgs/msg/Image` and the like; None where it is not installed.

    Raises:
        HmaDepthError: `type_name` is not of that form.

    """
    match = re.fullmatch(r"(\w+)/msg/(\w+)", type_name)
    if match is None:
        raise HmaDepthError(
            f"not a message type: {type_name!r}; write it as PACKAGE/msg/NAME, "
            "such as sensor_msgs/msg/Image"
        )
    package, name = match.groups()
    try:
        module = importlib.import_module(f"{package}.msg")
    except ModuleNotFoundError:
        return None
    return getattr(module, name, None)
