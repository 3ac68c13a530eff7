"""Topics written into a bag as they come, without decoding them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rclpy.event_handler import (
    QoSMessageLostInfo,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.bag_tools.bag_qos import bag_qos, record_qos
from hma_depth_ros.ros.bag_tools.message_class import message_class
from hma_depth_ros.ros.bag_tools.topic_name import checked_topic_name

if TYPE_CHECKING:  # since Kilted
    from rclpy.subscription import MessageInfo

#: Seconds of recording that may be lost by kill -9.
_SAVE = 1.0
#: Seconds between two looks at the graph and at the reasons to stop.
_POLL = 0.1


@dataclass(frozen=True)
class TopicRequest:
    """A topic to record. Without a type, recording starts when a publisher appears."""

    name: str
    type: str | None = None

    @classmethod
    def parse(cls, text: str) -> TopicRequest:
        """Read `TOPIC` or `TOPIC:PACKAGE/msg/NAME`."""
        name, colon, type_name = text.partition(":")
        return cls(name, type_name if colon else None)


class BagRecorder:
    """Subscribes through a node of the caller's and writes what arrives.

    A message lies in the bag at the time when its publisher sent it, so that the order is right
    across topics. The time of arrival would not do even within one: on a busy machine a large
    message may have to be sent again, and arrives after its successors.
    """

    def __init__(
        self,
        node: Node,
        bag: BagWriter,
        requests: Sequence[TopicRequest],
        *,
        max_messages: int | None = None,
    ) -> None:
        """Subscribe to the topics of known type; the others follow in `run`.

        Args:
            node: owner of the subscriptions; names resolve in its namespace.
            bag: an open bag.
            requests: what to record.
            max_messages: of each topic; further ones are not recorded.

        Raises:
            HmaDepthError: not a topic's name, or a type that is unknown or not installed.

        """
        self._node = node
        self._bag = bag
        self._max_messages = max_messages
        self._subscriptions: list[Subscription] = []
        self._end: int | None = None  # nanoseconds; what arrives later is not recorded
        #: Topics that cannot be recorded, and why; the others are.
        self.left_out: dict[str, str] = {}
        #: Messages that the middleware reports as lost, by topic.
        self.lost: dict[str, int] = {}
        self._pending = {
            node.resolve_topic_name(checked_topic_name(request.name)): request.type
            for request in requests
        }
        self._subscribe_to_known()

    @property
    def connected(self) -> bool:
        """Whether every topic has a publisher connected to it."""
        return not self._pending and all(s.get_publisher_count() for s in self._subscriptions)

    @property
    def missing(self) -> list[str]:
        """Topics of unknown type, of which no publisher has appeared."""
        return list(self._pending)

    @property
    def complete(self) -> bool:
        """Whether every topic has its `max_messages`."""
        return (
            self._max_messages is not None
            and not self._pending
            and all(count >= self._max_messages for count in self._bag.counts.values())
        )

    def run(
        self,
        *,
        stop: threading.Event,
        duration: float | None = None,
        on_connected: Callable[[], None],
    ) -> None:
        """Record until `stop`, for `duration` seconds, or until complete.

        Messages that have arrived by then are still written. Of what was recorded a process that is
        killed loses a second at most.

        Args:
            stop: ends the recording.
            duration: counted from the moment when all topics are connected.
            on_connected: called once at that moment.

        Raises:
            HmaDepthError: the disk is full, or no topic can be recorded.

        """
        executor = SingleThreadedExecutor(context=self._node.context)
        executor.add_node(self._node)
        deadline: float | None = None
        announced = False
        saved = time.monotonic()
        try:
            while not (stop.is_set() or self.complete):
                if not announced:
                    self._subscribe_to_known()
                    if self.connected:
                        announced = True
                        deadline = None if duration is None else time.monotonic() + duration
                        on_connected()
                if deadline is not None and time.monotonic() > deadline:
                    break
                executor.spin_once(timeout_sec=_POLL)
                if time.monotonic() - saved > _SAVE:
                    self._bag.save()
                    saved = time.monotonic()
            self._drain(executor)
        finally:
            executor.shutdown()

    def _drain(self, executor: SingleThreadedExecutor) -> None:
        """Write what has arrived until now and still waits in the queues."""
        self._end = time.time_ns()
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _POLL:
            before = sum(self._bag.counts.values())
            executor.spin_once(timeout_sec=_POLL / 2)
            if sum(self._bag.counts.values()) > before:
                quiet_since = time.monotonic()

    def _subscribe_to_known(self) -> None:
        """Subscribe to the pending topics whose type is given or has become known."""
        for topic, requested in list(self._pending.items()):
            publishers = self._node.get_publishers_info_by_topic(topic)
            type_name = requested or (publishers[0].topic_type if publishers else None)
            if type_name is None:
                continue
            offered = [publisher.qos_profile for publisher in publishers]
            try:
                self._subscribe(topic, type_name, record_qos(topic, offered))
            except HmaDepthError as error:
                # Whoever names a type has misspelt it, or wants nothing else. What turns out while
                # others are being recorded must not end that.
                if requested is not None:
                    raise
                self.left_out[topic] = str(error)
                self._node.get_logger().warning(str(error))
            del self._pending[topic]
        if self.left_out and not (self._pending or self._subscriptions):
            raise HmaDepthError("; ".join(self.left_out.values()))

    def _subscribe(self, topic: str, type_name: str, qos: QoSProfile) -> None:
        kind = message_class(type_name)
        if kind is None:
            raise HmaDepthError(
                f"cannot record {topic}: the message package of {type_name} is not installed"
            )
        self._bag.add_topic(topic, type_name, qos=bag_qos(qos))
        self.lost[topic] = 0

        def write(cdr: bytes, info: MessageInfo) -> None:
            now = time.time_ns()  # not every middleware knows the times
            arrived = info["received_timestamp"] or now
            full = self._max_messages is not None and self._bag.counts[topic] >= self._max_messages
            if not full and (self._end is None or arrived <= self._end):
                self._bag.write_raw(topic, info["source_timestamp"] or now, cdr)

        def count_lost(event: QoSMessageLostInfo) -> None:
            self.lost[topic] += event.total_count_change

        subscribe = partial(self._node.create_subscription, kind, topic, write, qos, raw=True)
        try:
            events = SubscriptionEventCallbacks(message_lost=count_lost)
            subscription = subscribe(event_callbacks=events)
        except UnsupportedEventTypeError:  # a middleware that does not count
            subscription = subscribe()
        self._subscriptions.append(subscription)
