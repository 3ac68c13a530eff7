"""Topics written into a bag as they come, without decoding them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from hma_depth_ros.bags.writer import BagWriter, check_type
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.bag_tools.bag_qos import bag_qos
from hma_depth_ros.ros.bag_tools.message_class import message_class
from hma_depth_ros.ros.bag_tools.offered_subscription import OfferedSubscription
from hma_depth_ros.ros.bag_tools.topic_name import checked_topic_name

if TYPE_CHECKING:  # since Kilted
    from rclpy.subscription import MessageInfo

#: Seconds of recording that may be lost by kill -9.
_SAVE = 1.0
#: Seconds between two looks at the reasons to stop.
_POLL = 0.1
#: Seconds between two looks at who publishes.
_LOOK = 0.2


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

    A message lies in the bag at the time of its arrival, as in those of `ros2 bag record`: that
    of sending is by the clock of another machine, or lies long before the recording (of what is
    latched). But never before its predecessor: on a busy machine a large message may have to be
    sent again, and arrives after its successors, which wait for it.
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
        self._subscriptions: dict[str, OfferedSubscription] = {}
        self._latest: dict[str, int] = {}  # times in the bag, of the topics that it has
        self._end: int | None = None  # nanoseconds; what arrives later is not recorded
        #: Topics that cannot be recorded, and why; the others are.
        self.left_out: dict[str, str] = {}
        #: Topics without a message, and why; once the recording has ended.
        self.silent: dict[str, str] = {}
        #: Messages that the middleware reports as lost, by topic.
        self.lost: dict[str, int] = {}
        # Names before remapping, and types, by full name.
        self._pending = {
            node.resolve_topic_name(checked_topic_name(request.name)): (request.name, request.type)
            for request in requests
        }
        self._subscribe_to_known()

    @property
    def connected(self) -> bool:
        """Whether every topic has a publisher connected to it."""
        return not self._pending and all(s.connected for s in self._subscriptions.values())

    @property
    def complete(self) -> bool:
        """Whether every topic has its `max_messages`."""
        if self._max_messages is None or self._pending:
            return False
        counts = self._bag.counts
        return all(counts.get(topic, 0) >= self._max_messages for topic in self._subscriptions)

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
        saved = looked = time.monotonic()
        try:
            while not (stop.is_set() or self.complete):
                if time.monotonic() - looked > _LOOK:
                    self._look()
                    looked = time.monotonic()
                if not announced and self.connected:
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
        self._add_silent()

    def _drain(self, executor: SingleThreadedExecutor) -> None:
        """Write what has arrived until now and still waits in the queues."""
        self._end = time.time_ns()
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _POLL:
            before = sum(self._bag.counts.values())
            executor.spin_once(timeout_sec=_POLL / 2)
            if sum(self._bag.counts.values()) > before:
                quiet_since = time.monotonic()

    def _look(self) -> None:
        """Take what has begun to be published, or is published with another quality of service."""
        self._subscribe_to_known()
        for subscription in self._subscriptions.values():
            subscription.look()

    def _subscribe_to_known(self) -> None:
        """Subscribe to the pending topics whose type is given or has become known."""
        for topic, (name, requested) in list(self._pending.items()):
            type_name = requested
            if type_name is None:
                publishers = self._node.get_publishers_info_by_topic(name)
                if not publishers:
                    continue
                type_name = publishers[0].topic_type
            try:
                self._subscribe(topic, name, type_name)
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

    def _subscribe(self, topic: str, name: str, type_name: str) -> None:
        kind = message_class(type_name)
        if kind is None:
            raise HmaDepthError(
                f"cannot record {topic}: the message package of {type_name} is not installed"
            )
        check_type(topic, type_name)

        def count_lost(number: int) -> None:
            self.lost[topic] += number

        self.lost[topic] = 0
        self._subscriptions[topic] = OfferedSubscription(
            *(self._node, name, kind, type_name, partial(self._write, topic)), lost=count_lost
        )

    def _add(self, topic: str) -> None:
        """Declare a topic to the bag, now that it is known best what its publishers offer."""
        subscription = self._subscriptions[topic]
        self._bag.add_topic(topic, subscription.type_name, qos=bag_qos(subscription.offered))
        self._latest[topic] = 0

    def _add_silent(self) -> None:
        """Declare what no message has come of, too."""
        self.silent = dict.fromkeys(self._pending, "no publisher appeared")
        for topic, subscription in self._subscriptions.items():
            if topic not in self._latest:
                lost = self.lost[topic]
                self.silent[topic] = f"{lost} lost" if lost else subscription.why_silent
                self._add(topic)

    def _write(self, topic: str, cdr: bytes, info: MessageInfo) -> None:
        now = time.time_ns()  # not every middleware knows the times
        arrived = info["received_timestamp"] or now
        if self._end is not None and arrived > self._end:
            return
        if topic not in self._latest:
            self._add(topic)
        if self._max_messages is None or self._bag.counts[topic] < self._max_messages:
            # Nothing arrives later than now: whose predecessor did comes after a clock was set.
            self._latest[topic] = min(max(arrived, self._latest[topic]), now)
            self._bag.write_raw(topic, self._latest[topic], cdr)
