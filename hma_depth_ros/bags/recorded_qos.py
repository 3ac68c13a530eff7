"""Quality of service that a bag remembers of its publishers."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2.metadata import parse_qos

#: How rosbag2 writes "for ever": the largest number of nanoseconds that fits into 63 bits.
_FOREVER = QosTime(9_223_372_036, 854_775_807)


def offered_qos(*, depth: int = 10, reliable: bool = True, transient_local: bool = False) -> Qos:
    """Profile that a publisher offered. A /tf_static must be `transient_local`.

    Without it in the bag's metadata, `ros2 bag play` offers the static transforms as volatile, and
    a tf2 listener, which asks for transient local, is never connected.
    """
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        durability=QosDurability.TRANSIENT_LOCAL if transient_local else QosDurability.VOLATILE,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )


def recorded_qos(profiles: Any) -> tuple[Qos, ...]:
    """Profiles as a bag of any version has them, YAML or a list; none where they make no sense."""
    try:
        return tuple(parse_qos(profiles))
    except Exception:  # it stumbles over whatever a file says, and a replay does without
        return ()
