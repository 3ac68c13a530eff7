"""The depth node's diagnostics, watched from outside while it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from hma_depth_ros.demo.demo_report import DIAGNOSTICS_TOPIC, STATUS_SUFFIX
from hma_depth_ros.ros.bag_tools.message_class import message_class


@dataclass(frozen=True)
class DemoProgress:
    """The latest diagnostics."""

    state: str  #: of the node's life cycle
    arrived: int
    processed: int
    waiting: int  #: or being processed

    def __str__(self) -> str:
        left_out = self.arrived - self.processed - self.waiting
        return f"{self.arrived} images arrived, {self.processed} processed, {left_out} left out"


class DiagnosticsObserver:
    """Listens through a node of the caller's, who lets it take messages."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.progress: DemoProgress | None = None
        self.count = 0  #: diagnostics so far
        node.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._store, 10)

    @property
    def is_active(self) -> bool:
        """Whether the node has said that it is; while it starts it says what it does, too."""
        return self.progress is not None and self.progress.state == "active"

    @property
    def at_rest(self) -> bool:
        """Whether no frame is waiting or being processed."""
        latest = self.progress
        return latest is not None and not latest.waiting

    def listen(self, topic: str, type_name: str) -> None:
        """Become a subscriber of a topic, without looking at what it carries."""
        kind = message_class(type_name)
        assert kind is not None, type_name
        self._node.create_subscription(
            kind, topic, lambda _: None, qos_profile_sensor_data, raw=True
        )

    def _store(self, array: Any) -> None:
        for status in array.status:
            if status.name.endswith(STATUS_SUFFIX):
                values: Mapping[str, str] = {pair.key: pair.value for pair in status.values}
                self.count += 1
                waiting = int(values["frames waiting"])
                self.progress = DemoProgress(
                    state=values["state"],
                    arrived=int(values["frames received"]) + waiting,
                    processed=int(values["frames processed"]),
                    waiting=waiting,
                )
