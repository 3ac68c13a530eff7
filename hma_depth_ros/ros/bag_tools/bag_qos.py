"""Quality of service between bags and rclpy."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rosbags.interfaces import Qos, QosDurability

from hma_depth_ros.bags.recorded_qos import offered_qos

#: Messages kept for a reader or writer that falls behind. Ten seconds of a LiDAR: enough for a
#: slow disk or a burst, and still no danger to the memory.
QUEUE_DEPTH = 100


def replay_qos(topic: str, recorded: Sequence[Qos]) -> QoSProfile:
    """Profile with which to publish a bag's topic.

    Durability is the recorded publishers'. Always reliable, whatever they were: that matches both
    reliable and best-effort subscribers, and a replay should not lose what the recording has. Bags
    of converters that record no profile still get their static transforms latched.
    """
    latched = (
        any(qos.durability is QosDurability.TRANSIENT_LOCAL for qos in recorded)
        or topic.rpartition("/")[2] == "tf_static"
    )
    return _profile(reliable=True, transient_local=latched)


def record_qos(topic: str, offered: Sequence[QoSProfile]) -> QoSProfile:
    """Profile with which to subscribe: the most that all publishers of a topic offer."""
    if not offered:
        return _profile(reliable=True, transient_local=topic.rpartition("/")[2] == "tf_static")
    return _profile(
        reliable=all(qos.reliability is QoSReliabilityPolicy.RELIABLE for qos in offered),
        transient_local=all(
            qos.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL for qos in offered
        ),
    )


def bag_qos(profile: QoSProfile) -> Qos:
    """What a bag remembers of a profile."""
    return offered_qos(
        reliable=profile.reliability is QoSReliabilityPolicy.RELIABLE,
        transient_local=profile.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


def _profile(*, reliable: bool, transient_local: bool) -> QoSProfile:
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=QUEUE_DEPTH,
        reliability=(
            QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
        ),
        durability=(
            QoSDurabilityPolicy.TRANSIENT_LOCAL if transient_local else QoSDurabilityPolicy.VOLATILE
        ),
    )
