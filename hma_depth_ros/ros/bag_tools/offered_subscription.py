"""Subscribing to whatever publishers offer, those that come later too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.event_handler import (
    QoSMessageLostInfo,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
)
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from hma_depth_ros.ros.bag_tools.bag_qos import record_qos

if TYPE_CHECKING:  # since Kilted
    from rclpy.subscription import MessageInfo


class OfferedSubscription:
    """Takes a topic's messages as they are, and asks for the most that all its publishers offer.

    A publisher that offers less than is asked for sends nothing, which is no error in ROS. So
    `look` asks for less as soon as such a publisher has come. As long as no message has, it also
    asks for more, such as what was latched.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        kind: Any,
        type_name: str,
        callback: Callable[[bytes, MessageInfo], None],
        *,
        lost: Callable[[int], None] | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: owner of the subscription.
            name: of the topic, which ROS remaps.
            kind: class of its messages.
            type_name: of these, such as `sensor_msgs/msg/Image`.
            callback: takes serialised messages, and what the middleware says of each.
            lost: is told how many messages the middleware reports as lost, where it does.

        """
        self._node, self._name, self._kind = node, name, kind
        self.type_name = type_name
        self._callback, self._lost = callback, lost
        self.topic: str = node.resolve_topic_name(name)
        self._arrived = False
        self._types: set[str] = set()  # of all publishers so far
        self._qos = record_qos(self.topic, self._offers())
        self._subscription = self._subscribe()

    @property
    def connected(self) -> bool:
        """Whether a publisher is connected."""
        return bool(self._subscription.get_publisher_count())

    @property
    def offered(self) -> QoSProfile:
        """The most that all publishers offer; without any, what is asked for."""
        offers = self._offers()
        return record_qos(self.topic, offers) if offers else self._qos

    @property
    def why_silent(self) -> str:
        """Why no message may have come, in a few words."""
        if not self._types:
            return "no publisher appeared"
        if self.type_name not in self._types:
            return f"what is published there is {', '.join(sorted(self._types))}"
        return "nothing arrived"

    def look(self) -> None:
        """Subscribe anew where that is called for; to be called now and then."""
        offers = self._offers()
        if not offers:
            return
        if self._arrived:  # then a new subscription may cost messages, and is a last resort
            offers.append(self._qos)
        if (qos := record_qos(self.topic, offers)) == self._qos:
            return
        if self._arrived:
            self._node.get_logger().warning(
                f"{self.topic}: a publisher came that offers less than the ones before; subscribed "
                "anew, to it as well"
            )
        self._qos = qos
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribe()

    def _offers(self) -> list[QoSProfile]:
        publishers = self._node.get_publishers_info_by_topic(self._name)  # which remaps it, too
        self._types |= {publisher.topic_type for publisher in publishers}
        return [p.qos_profile for p in publishers if p.topic_type == self.type_name]

    def _subscribe(self) -> Subscription:
        def take(cdr: bytes, info: MessageInfo) -> None:
            self._arrived = True
            self._callback(cdr, info)

        def count(event: QoSMessageLostInfo) -> None:
            if self._lost is not None:
                self._lost(event.total_count_change)

        # rclpy's own would say that publishers are not heard which `look` will hear.
        events = SubscriptionEventCallbacks(
            message_lost=None if self._lost is None else count, use_default_callbacks=False
        )
        try:
            return self._node.create_subscription(
                self._kind, self._name, take, self._qos, raw=True, event_callbacks=events
            )
        except UnsupportedEventTypeError:  # a middleware that does not count
            self._lost = None
            return self._subscribe()
