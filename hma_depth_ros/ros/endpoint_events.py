"""What the middleware notices at a subscription: lost messages, publishers that offer too little.

The events are looked at when somebody wants to know, and stand in no executor's wait set: there,
they would have to outlive the subscription that a transition of the life cycle destroys.
"""

from __future__ import annotations

from typing import Any

from rclpy.event_handler import QoSSubscriptionEventType, UnsupportedEventTypeError
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.qos import qos_policy_name_from_kind


class SubscriptionEvents:
    """Events of one subscription; to be closed before it is destroyed."""

    def __init__(self, subscription: Any) -> None:
        types = QoSSubscriptionEventType
        self._lost = _Event(subscription, types.RCL_SUBSCRIPTION_MESSAGE_LOST)
        self._refused = _Event(subscription, types.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS)

    def lost(self) -> int | None:
        """Messages that were sent and did not get here; None where the middleware does not count.

        Fast DDS counts the gaps between those that arrive. What the subscription's own queue had no
        room for is not lost in this sense.
        """
        status = self._lost.status()
        if status is None:
            return 0 if self._lost.supported else None
        return int(status.total_count)

    def refused_policy(self) -> str | None:
        """Policy for which a publisher was last found not to match; None if none ever was."""
        status = self._refused.status()
        if status is None or not status.total_count:
            return None
        return qos_policy_name_from_kind(status.last_policy_kind).lower()

    def close(self) -> None:
        """Let go of the subscription."""
        self._lost.close()
        self._refused.close()


class _Event:
    """Latest status of one event."""

    def __init__(self, subscription: Any, kind: Any) -> None:
        self._latest: Any = None
        self._handle: Any = None
        try:
            with subscription.handle:
                self._handle = _rclpy.EventHandle(subscription.handle, kind)
        except UnsupportedEventTypeError:
            pass  # what this middleware does not tell is not told
        self.supported = self._handle is not None

    def status(self) -> Any:
        """The status, which counts from the subscription's beginning; None before the first."""
        if self._handle is not None:
            with self._handle:
                # Some middlewares give it only once after each change.
                self._latest = self._handle.take_event() or self._latest
        return self._latest

    def close(self) -> None:
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()
        self._handle = None
