"""A second, latched subscription of a topic, for publishers that latch.

A driver that publishes its CameraInfo once, transient local, reaches nodes that start later only if
they ask for it so; but who asks for it hears nothing of publishers that do not latch, and those
would log that he asks for too much. Hence two subscriptions, the second one only where somebody
latches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy


def is_latched(profile: QoSProfile) -> bool:
    """Whether a subscription of that profile is sent what was published before it."""
    return (
        profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
        and profile.reliability is ReliabilityPolicy.RELIABLE
    )


class LatchedInput:
    """Subscribes to what is latched on a topic as soon as `look` finds a publisher that latches."""

    def __init__(self, node: Node, kind: Any, name: str, callback: Callable[[Any], None]) -> None:
        """Take no message yet.

        Args:
            node: owner of the subscription.
            kind: message type.
            name: of the topic, which ROS remaps.
            callback: takes the messages; those of a publisher that also sends to an ordinary
                subscription of the node come twice.

        """
        self._node, self._kind, self._name, self._callback = node, kind, name, callback
        self._subscription: Any = None

    def look(self) -> None:
        """Look for such publishers; to be called now and then."""
        if self._subscription is not None:
            return
        latched = DurabilityPolicy.TRANSIENT_LOCAL
        publishers = self._node.get_publishers_info_by_topic(self._name)  # which remaps it, too
        if any(publisher.qos_profile.durability is latched for publisher in publishers):
            # A best-effort reader would be sent nothing of the past.
            qos = QoSProfile(depth=5, durability=latched, reliability=ReliabilityPolicy.RELIABLE)
            self._subscription = self._node.create_subscription(
                self._kind,
                self._name,
                self._callback,
                qos,
                # That publishers which do not latch do not match is as intended.
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
