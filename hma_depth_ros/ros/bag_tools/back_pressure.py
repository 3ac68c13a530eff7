"""Holding a replay back until its images have been processed.

A reliable DDS reader goes on acknowledging what its node does not take, so a fast replay would pile
up in the node's memory. Here the next image waits for the output of the one before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.stamps import raw_header_stamp, stamp_text
from hma_depth_ros.ros.bag_tools.topic_name import checked_topic_name

#: After discovery on this side, the time in which the other side finds this one, too.
_SETTLE_SECONDS = 0.5
_POLL = 0.05


class BackPressure:
    """Waits for the message that an image's stamp comes back with. The node must be served."""

    def __init__(self, node: Node, outputs: Mapping[str, str], *, timeout: float) -> None:
        """Subscribe to the outputs, which are Images.

        Args:
            node: owner of the subscriptions.
            outputs: topic of the output by topic of the images, as published.
            timeout: seconds that an image may take.

        Raises:
            HmaDepthError: a name cannot be a topic's.

        """
        self._timeout = timeout
        self._changed = threading.Condition()
        self._seen: dict[str, int] = {}  # latest stamp by output
        self._awaited: dict[str, int] = {}  # stamp by image topic
        self._outputs = {
            image: node.resolve_topic_name(checked_topic_name(output))
            for image, output in outputs.items()
        }
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._subscriptions = [
            node.create_subscription(Image, output, self._noting(output), qos, raw=True)
            for output in sorted(set(self._outputs.values()))
        ]

    def applies_to(self, topic: str) -> bool:
        """Whether images of that topic are waited for."""
        return topic in self._outputs

    def connect(self, *, timeout: float, stop: threading.Event) -> None:
        """Wait until every output has a publisher; until `stop` at most.

        Raises:
            HmaDepthError: one has none in time.

        """
        deadline = time.monotonic() + timeout
        while not all(s.get_publisher_count() for s in self._subscriptions):
            if stop.wait(_POLL):
                return
            if time.monotonic() > deadline:
                lacking = [s.topic_name for s in self._subscriptions if not s.get_publisher_count()]
                raise HmaDepthError(
                    f"nobody publishes {', '.join(lacking)} after {timeout:g} s, for which "
                    "--lockstep is to wait; is the node running, with the same ROS_DOMAIN_ID?"
                )
        stop.wait(_SETTLE_SECONDS)

    def sent(self, topic: str, cdr: bytes) -> None:
        """Note an image that is about to be published."""
        with self._changed:
            if (stamp := raw_header_stamp(cdr)) is not None:  # nothing comes of a damaged one
                self._awaited[topic] = stamp

    def wait(self, topic: str, stop: threading.Event) -> None:
        """Wait until the image sent last on that topic is processed; until `stop` at most.

        Raises:
            HmaDepthError: it is not, in time.

        """
        output = self._outputs[topic]
        deadline = time.monotonic() + self._timeout
        with self._changed:
            while (stamp := self._awaited.get(topic)) is not None:
                if self._seen.get(output) == stamp:
                    del self._awaited[topic], self._seen[output]
                    return
                if stop.is_set():
                    return
                if time.monotonic() > deadline:
                    raise HmaDepthError(
                        f"no message on {output} within {self._timeout:g} s for the image of stamp "
                        f"{stamp_text(stamp)} on {topic}; does the node run, with lockstep:=true?"
                    )
                self._changed.wait(_POLL)

    def finish(self, stop: threading.Event) -> None:
        """Wait for all images that are still on their way.

        Raises:
            HmaDepthError: one is not processed in time.

        """
        for topic in self._outputs:
            self.wait(topic, stop)

    def _noting(self, output: str) -> Callable[[bytes], None]:
        def note(cdr: bytes) -> None:
            with self._changed:
                if (stamp := raw_header_stamp(cdr)) is not None:
                    self._seen[output] = stamp
                self._changed.notify_all()

        return note
