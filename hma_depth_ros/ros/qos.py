"""Quality of service of the node's topics; every policy can be overridden by parameters.

Each call gives a profile of its own: rclpy writes the overrides of one topic into it.
"""

from __future__ import annotations

from copy import copy

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)


def input_qos(*, lockstep: bool) -> QoSProfile:
    """Sensor data (best effort) takes what any camera offers; lockstep may lose nothing."""
    if not lockstep:
        return copy(qos_profile_sensor_data)
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


def output_qos() -> QoSProfile:
    """Reliable with depth 1: RViz, by default, does not see best-effort publishers."""
    return QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
    )
