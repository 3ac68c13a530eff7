"""Holding a replay back until its images have been processed.

A reliable DDS reader goes on acknowledging what its node does not take, so a fast replay would pile
up in the node's memory. Here the next image waits for the output of the one before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rclpy.node import Node
from sensor_msgs.msg import Image

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.stamps import raw_header_stamp, stamp_text
from hma_depth_ros.messages.types import IMAGE
from hma_depth_ros.ros.bag_tools.offered_subscription import OfferedSubscription
from hma_depth_ros.ros.bag_tools.topic_name import checked_topic_name

if TYPE_CHECKING:  # since Kilted
    from rclpy.subscription import MessageInfo

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
        names = {  # before remapping, by full name
            node.resolve_topic_name(checked_topic_name(output)): output
            for output in outputs.values()
        }
        self._outputs = {
            image: node.resolve_topic_name(output) for image, output in outputs.items()
        }
        self._subscriptions = [
            OfferedSubscription(node, name, Image, IMAGE, self._noting(output))
            for output, name in sorted(names.items())
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
        while lacking := [s for s in self._subscriptions if not s.connected]:
            for subscription in lacking:
                subscription.look()
            if stop.wait(_POLL):
                return
            if time.monotonic() > deadline:
                reasons = ", ".join(f"{s.topic} ({s.why_silent})" for s in lacking)
                raise HmaDepthError(
                    f"no images after {timeout:g} s on {reasons}, for which --lockstep is to wait; "
                    "is the node running, with the same ROS_DOMAIN_ID?"
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

    def _noting(self, output: str) -> Callable[[bytes, MessageInfo], None]:
        def note(cdr: bytes, _: MessageInfo) -> None:
            with self._changed:
                if (stamp := raw_header_stamp(cdr)) is not None:
                    self._seen[output] = stamp
                self._changed.notify_all()

        return note
