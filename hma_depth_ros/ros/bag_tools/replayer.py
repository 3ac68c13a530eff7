"""A bag's messages published again, byte for byte and at the pace at which they were recorded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy
from rosgraph_msgs.msg import Clock

from hma_depth_ros.bags.bag_cameras import no_picture
from hma_depth_ros.bags.processing import silence
from hma_depth_ros.bags.reader import BagMessage, BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.types import IMAGE_TYPES
from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure
from hma_depth_ros.ros.bag_tools.bag_qos import replay_qos
from hma_depth_ros.ros.bag_tools.message_class import message_class
from hma_depth_ros.ros.bag_tools.pause import PauseControl
from hma_depth_ros.ros.bag_tools.topic_name import checked_topic_name
from hma_depth_ros.ros.patience import all_acknowledged

#: Seconds behind schedule from which a message counts as late: a fifth of a 10 Hz period.
LATE = 0.02

#: Messages read while there is time: an image and a cloud of the same moment should leave together,
#: and a large cloud takes a good part of a period to read.
_READ_AHEAD = 8
_READING_TIME = 0.03

#: Seconds after which a sleeper looks whether it is to pause.
_LONGEST_SLEEP = 0.1

#: Seconds to wait at the end until the subscribers have everything.
_FLUSH_TIMEOUT = 5.0

_BILLION = 1_000_000_000
_CLOCK = "/clock"


@dataclass
class ReplayReport:
    """What was published, and how punctually."""

    sent: dict[str, int] = field(default_factory=dict)  #: messages by topic, as published
    late: int = 0  #: messages sent more than `LATE` behind schedule
    worst_delay: float = 0.0  #: seconds

    def count(self, topic: str, delay: float) -> None:
        """Add one message that left `delay` seconds behind schedule."""
        self.sent[topic] += 1
        self.late += delay > LATE
        self.worst_delay = max(self.worst_delay, delay)


class BagReplayer:
    """Publishes a bag through a node of the caller's.

    Needs no executor, since it only publishes; pausing and back pressure do.

    The messages are not decoded: headers keep their stamps, and a 15 MB cloud costs one copy.
    """

    def __init__(
        self,
        node: Node,
        bag: BagReader,
        *,
        topics: Collection[str] | None = None,
        remap: Mapping[str, str] | None = None,
        clock_rate: float | None = None,
        start: float = 0.0,
        duration: float | None = None,
        longest_silence: float = silence.LONGEST,
    ) -> None:
        """Create the publishers.

        Args:
            node: owner of the publishers; names resolve in its namespace.
            bag: an open bag.
            topics: names in the bag; all by default.
            remap: new names by names in the bag.
            clock_rate: Hz of `/clock` between messages; None publishes no clock. Time is that of
                the bag.
            start: seconds of the bag that are left out at its beginning; what is latched there is
                published all the same.
            duration: seconds of the bag that are published; all by default.
            longest_silence: seconds of the bag without a message from which the next one follows
                after a second.

        Raises:
            HmaDepthError: no such topic in the bag, or none that can be published.

        """
        self._bag = bag
        self._publishers: dict[str, Publisher] = {}  # by name in the bag
        self._latched: list[str] = []  # of these
        self._start = bag.start + round(start * _BILLION)
        self._stop = None if duration is None else self._start + round(duration * _BILLION)
        self.pause: PauseControl | None = None
        self.back_pressure: BackPressure | None = None
        self.report = ReplayReport()
        self._log = node.get_logger()
        self._longest_silence = longest_silence * _BILLION  # may be infinite
        for remark in bag.remarks:
            self._log.warning(remark)
        remap = remap or {}
        for name in {*(topics or ()), *remap}:
            bag.topic(name)
        not_installed = []
        for name in bag.topics if topics is None else topics:
            topic = bag.topic(name)
            kind = message_class(topic.type)
            if kind is None:
                not_installed.append(f"{name} ({topic.type})")
                continue
            published = remap.get(name, name)
            try:
                checked_topic_name(published)
            except HmaDepthError as error:
                if topics is not None or name in remap:
                    raise
                self._log.warning(f"not replayed: {error}; --remap {name}:=NEW gives another name")
                continue
            if clock_rate is not None and node.resolve_topic_name(published) == _CLOCK:
                self._log.warning(
                    f"{name} of the bag is not replayed: --clock publishes {_CLOCK} itself, with "
                    "the times of recording; without it the recorded one is published"
                )
                continue
            qos = replay_qos(name, topic.qos)
            if qos.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL:
                self._latched.append(name)
            self._publishers[name] = node.create_publisher(kind, published, qos)
        if not_installed:
            self._log.warning(
                "not replayed, because their message packages are not installed: "
                + ", ".join(not_installed)
            )
        if not any(bag.topics[name].count for name in self._publishers):
            raise HmaDepthError(f"{bag.path} has no message that can be replayed")
        if self._start > bag.end:
            raise HmaDepthError(
                f"{bag.path} has nothing after {start:g} s: it ends at "
                f"{(bag.end - bag.start) / _BILLION:.3f} s"
            )
        self.report.sent = {publisher.topic_name: 0 for publisher in self._publishers.values()}
        self._clock_period = None if clock_rate is None else 1.0 / clock_rate
        self._clock = None if clock_rate is None else node.create_publisher(Clock, _CLOCK, 10)

    def wait_for_subscribers(
        self, wanted: Mapping[str, int], *, timeout: float, stop: threading.Event
    ) -> None:
        """Wait until each topic (as published) has that many subscribers; until `stop` at most.

        With nothing in `wanted`, wait until any topic has a subscriber.

        Raises:
            HmaDepthError: not published here, or not enough subscribers after `timeout` seconds.

        """
        by_name = {publisher.topic_name: publisher for publisher in self._publishers.values()}
        if unknown := sorted(set(wanted) - set(by_name)):
            raise HmaDepthError(
                f"cannot wait for subscribers of {', '.join(unknown)}: "
                f"what is published is {', '.join(by_name)}"
            )
        deadline = time.monotonic() + timeout
        while True:
            counts = {name: p.get_subscription_count() for name, p in by_name.items()}
            lacking = [name for name, number in wanted.items() if counts[name] < number]
            if not lacking and (wanted or any(counts.values())):
                return
            if stop.wait(0.05):
                return
            if time.monotonic() > deadline:
                names = ", ".join(lacking or by_name)
                raise HmaDepthError(
                    f"not enough subscribers after {timeout:g} s on {names}; are they running, "
                    "with the same ROS_DOMAIN_ID and topic names?"
                )

    @property
    def cameras(self) -> list[str]:
        """Topics of images that are no depth images, as published."""
        topics = self._bag.topics
        return [
            publisher.topic_name
            for name, publisher in self._publishers.items()
            if topics[name].type in IMAGE_TYPES and no_picture(self._bag, name) is None
        ]

    def play(self, *, rate: float, stop: threading.Event) -> bool:
        """Publish the bag once, `rate` times as fast as recorded. False if `stop` ended it early.

        Counts are added to `report`. A pause and the wait for processed images delay all that
        follows; they are no lateness.

        Raises:
            HmaDepthError: the storage is damaged, or an image is not processed in time.

        """
        if self._start > self._bag.start:
            for message in self._bag.messages(self._latched, stop=self._start):
                self._publishers[message.topic].publish(bytes(message.data))
        self._begin = time.monotonic()
        messages = self._bag.messages(self._publishers, start=self._start, stop=self._stop)
        ahead = deque(islice(messages, 1))
        last = self._start
        while ahead:
            self._shorten_silence(last, ahead[0].stamp, rate)
            last = ahead[0].stamp
            self._await_processing(ahead[0], rate=rate, stop=stop)
            due = self._due(ahead[0].stamp, rate)
            while len(ahead) < _READ_AHEAD and due - time.monotonic() > _READING_TIME:
                if (further := next(messages, None)) is None:
                    break
                ahead.append(further)
            if not self._wait_until_due(ahead[0].stamp, rate=rate, stop=stop):
                return False
            message = ahead.popleft()
            self._publish_clock(message.stamp)
            self._publish(message, delay=time.monotonic() - self._due(message.stamp, rate))
            if not ahead:
                ahead.extend(islice(messages, 1))
        if self.back_pressure is not None:
            self.back_pressure.finish(stop)
        return not stop.is_set()

    def _shorten_silence(self, last: int, stamp: int, rate: float) -> None:
        """Let a message follow soon where the bag has nothing for long."""
        if stamp - last > self._longest_silence:
            skipped = (stamp - last) / _BILLION - silence.SHORTENED
            self._begin -= skipped / rate
            self._log.warning(f"{skipped:.0f} s without messages are skipped")

    def _publish(self, message: BagMessage, *, delay: float) -> None:
        publisher, cdr = self._publishers[message.topic], bytes(message.data)
        topic = publisher.topic_name
        self.report.count(topic, delay)
        if self.back_pressure is not None and self.back_pressure.applies_to(topic):
            self.back_pressure.sent(topic, cdr)
        publisher.publish(cdr)

    def _await_processing(self, message: BagMessage, *, rate: float, stop: threading.Event) -> None:
        """Let an image wait until the one before it is processed."""
        topic = self._publishers[message.topic].topic_name
        if self.back_pressure is not None and self.back_pressure.applies_to(topic):
            self.back_pressure.wait(topic, stop)
            self._begin += max(0.0, time.monotonic() - self._due(message.stamp, rate))

    def _due(self, stamp: int, rate: float) -> float:
        """When a message is to leave, on the monotonic clock."""
        return self._begin + (stamp - self._start) / _BILLION / rate

    def flush(self, stop: threading.Event) -> bool:
        """Wait until every reliable subscriber has acknowledged; until `stop` at most.

        False if one has not in time.
        """
        return all(
            all_acknowledged(publisher, _FLUSH_TIMEOUT, given_up=stop.is_set)
            for publisher in self._publishers.values()
        )

    def _wait_until_due(self, stamp: int, *, rate: float, stop: threading.Event) -> bool:
        """Sleep until a message is due; publish the clock meanwhile. False if `stop` came first."""
        while True:
            self._stand_still(stamp, rate=rate, stop=stop)
            if stop.is_set():
                return False
            remaining = self._due(stamp, rate) - time.monotonic()
            if remaining <= 0:
                return True
            # A pause may come at any time.
            step = min(remaining, self._clock_period or _LONGEST_SLEEP, _LONGEST_SLEEP)
            if stop.wait(step):
                return False
            self._publish_clock(self._now(stamp, rate))

    def _stand_still(self, stamp: int, *, rate: float, stop: threading.Event) -> None:
        """While paused, keep the clock where it is."""
        if self.pause is None or not self.pause.paused:
            return
        now, since = self._now(stamp, rate), time.monotonic()
        while self.pause.paused and not stop.is_set():
            self._publish_clock(now)
            self.pause.wait(stop)
        self._begin += time.monotonic() - since

    def _now(self, stamp: int, rate: float) -> int:
        """The bag's time, before a message that is still to come."""
        # One may oversleep, but the clock must not run back for the message that is due.
        left = max(self._due(stamp, rate) - time.monotonic(), 0.0)
        return stamp - int(left * rate * _BILLION)

    def _publish_clock(self, stamp: int) -> None:
        if self._clock is not None:
            seconds, nanoseconds = divmod(stamp, _BILLION)
            self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))
