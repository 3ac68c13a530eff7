"""The Python class of a message type known by name only."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
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
    if not _has_messages(package):
        return None
    return getattr(importlib.import_module(f"{package}.msg"), name, None)


def _has_messages(package: str) -> bool:
    """Whether an installed package has messages, without running anything of it.

    A bag names any package, and importing one runs it. In the current folder, where `python3 -m`
    looks first, may lie what has come with the bag.
    """
    try:
        found = importlib.util.find_spec(package)
    except ValueError:  # of a module that Python has not found as one, such as __main__
        return False
    if found is None or not found.origin:
        return False
    folder = Path(found.origin).parent
    here = folder.parent.resolve() == Path.cwd().resolve()
    return (folder / "msg" / "__init__.py").is_file() and not here
