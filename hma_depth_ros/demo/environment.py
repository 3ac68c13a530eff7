"""An environment in which a ROS graph has this machine's loopback to itself."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import hma_depth_ros
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.transport import PROFILE_VARIABLE, large_message_profile

#: Domains whose ports lie below Linux's range for outgoing connections.
_DOMAINS = range(1, 102)


def _is_free(domain: int) -> bool:
    """Whether nobody holds the domain's discovery ports (DDSI-RTPS 2.5, section 9.6.2)."""
    multicast = 7400 + 250 * domain
    first_participant = multicast + 10
    for port in (multicast, first_participant):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def free_domain() -> int:
    """ROS_DOMAIN_ID that no participant on this machine uses.

    Raises:
        HmaDepthError: all are taken.

    """
    for domain in random.sample(_DOMAINS, len(_DOMAINS)):
        if _is_free(domain):
            return domain
    raise HmaDepthError(
        f"no free ROS_DOMAIN_ID from {_DOMAINS.start} to {_DOMAINS.stop - 1}: stop other ROS 2 "
        "programs on this machine"
    )


def isolated_environment(domain: int, ros_logs: Path) -> dict[str, str]:
    """Return the environment of children that form a graph of their own.

    Discovery stays on the machine, the domain is theirs alone, and the Fast DDS profile lets images
    through. The children import the same package as this process, installed or not.
    """
    package_parent = str(Path(hma_depth_ros.__file__).resolve().parent.parent)
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_DEFAULT_PROFILES_FILE")}
    return {
        **kept,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain),
        PROFILE_VARIABLE: str(large_message_profile()),
        "ROS_LOG_DIR": str(ros_logs.absolute()),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
