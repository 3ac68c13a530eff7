"""Whether messages arrive at a node, and if not, why: for the log and the diagnostics."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node

from hma_depth_ros.ros.condition_log import QUIET_SECONDS, ConditionLog
from hma_depth_ros.ros.endpoint_events import SubscriptionEvents
from hma_depth_ros.ros.transport import large_message_cure

#: Silence of a matched publisher after which the node asks whether large messages get through.
SILENCE_SECONDS = 3.0


class InputWatch:
    """Watches one subscription, from just before its creation to `close`."""

    def __init__(
        self, node: Node, topic: str, reporter: ConditionLog, *, name: str, what: str
    ) -> None:
        """Begin to wait for messages.

        Args:
            node: owner of the subscription.
            topic: full name.
            reporter: is told.
            name: of the topic before remapping.
            what: one message is, for people.

        """
        self._node, self._topic, self._reporter = node, topic, reporter
        self._name, self._what = name, what
        self._events: SubscriptionEvents | None = None
        self._arrived = 0
        self._since = time.monotonic()  # the last message, at first the watch's beginning
        self._silent = False
        self._lost = 0  # as of the last look
        self._lost_since = self._since  # the last one
        self._losses = ""  # for people

    def attach(self, subscription: Any) -> None:
        """Watch this subscription's events; its first messages may have been noted before."""
        self._events = SubscriptionEvents(subscription)

    @property
    def lost(self) -> int | None:
        """Messages that did not get here; None if the middleware does not say."""
        return 0 if self._events is None else self._events.lost()

    @property
    def losses(self) -> list[str]:
        """What was lost of late and what helps, in one sentence; none if nothing was."""
        recent = time.monotonic() - self._lost_since <= QUIET_SECONDS
        return [self._losses] if self._losses and recent else []

    def note_arrival(self) -> None:
        """Take note of a message."""
        self._arrived += 1
        self._since = time.monotonic()
        if self._silent:
            self._silent = False
            self._reporter.solved(self._topic)

    def look(self) -> None:
        """Report silence, and have losses logged; to be called now and then."""
        self._look_for_losses()
        silence = time.monotonic() - self._since
        if silence >= SILENCE_SECONDS:
            self._silent = True
            self._reporter.problem(self._topic, self._why_silent(silence))

    def close(self) -> None:
        """Let go of the subscription, which may be destroyed then."""
        if self._events is not None:
            self._events.close()
        self._events = None

    def _why_silent(self, seconds: float) -> str:
        if not self._node.count_publishers(self._topic):
            if self._arrived:
                return f"its publisher has gone; {self._what}s that came before: {self._arrived}"
            return f"nobody publishes it; remap {self._name}:=/your/topic"
        policy = self._events.refused_policy() if self._events is not None else None
        if policy and not self._arrived:
            return (
                f"it has a publisher, but no {self._what} arrives: what it offers as {policy} is "
                "less than what is asked for. Set "
                f"qos_overrides.{self._topic}.subscription.{policy}, or change the publisher"
            )
        return (
            f"it has a publisher, but no {self._what} arrives. {large_message_cure()}"
            "The publisher is idle, or its QoS does not match"
        )

    def _look_for_losses(self) -> None:
        subject = f"transport of {self._topic}"
        before, self._lost = self._lost, self.lost or 0
        if self._lost > before:
            self._lost_since = time.monotonic()
            message = (
                f"lost on the way: {self._lost} of {self._lost + self._arrived} {self._what}s. "
                f"{large_message_cure()}The machine or the network is too slow for them. A "
                "reliable publisher sends them again, with "
                f"qos_overrides.{self._topic}.subscription.reliability:=reliable"
            )
            self._losses = f"{subject}: {message}"
            self._reporter.mention(subject, message)
