"""Topic names from the command line or from a bag."""

from __future__ import annotations

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from hma_depth_ros.errors import HmaDepthError


def checked_topic_name(name: str) -> str:
    """Return `name` if ROS takes it.

    Raises:
        HmaDepthError: it does not, saying why.

    """
    try:
        validate_topic_name(name)
    except InvalidTopicNameException as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # the rest points at the character
        raise HmaDepthError(f"{name!r} cannot be the name of a topic: {reason}") from error
    return name
