"""An environment in which a ROS graph has this machine's loopback to itself."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import hma_depth_ros
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.transport import profile_environment

#: Variables that would join the graph with others, or keep its own processes apart.
OF_OTHER_GRAPHS = frozenset(
    {
        "ROS_DISCOVERY_SERVER",
        "ROS_SUPER_CLIENT",
        "ROS_STATIC_PEERS",
        "ROS_LOCALHOST_ONLY",  # of older ROS; it overrules ROS_AUTOMATIC_DISCOVERY_RANGE
        "ROS_SECURITY_ENABLE",
    }
)
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
    through, unless the user has chosen another. The children import the same package as this
    process, installed or not.
    """
    package_parent = str(Path(hma_depth_ros.__file__).resolve().parent.parent)
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **{name: value for name, value in os.environ.items() if name not in OF_OTHER_GRAPHS},
        **profile_environment(),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOG_DIR": str(ros_logs.absolute()),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
