"""The depth node's diagnostics, watched from outside while it works."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions

from hma_depth_ros.demo.report import DIAGNOSTICS_TOPIC, STATUS_SUFFIX
from hma_depth_ros.ros.message_class import message_class


@dataclass(frozen=True)
class Progress:
    """The latest diagnostics."""

    state: str  #: of the node's life cycle
    received: int
    processed: int
    dropped: int

    def __str__(self) -> str:
        return f"{self.received} images arrived, {self.processed} processed, {self.dropped} dropped"


class DiagnosticsObserver:
    """Listens in a domain of its own choice, without threads; a context manager."""

    def __init__(self, domain: int) -> None:
        self._domain = domain
        self._context = Context()
        self.progress: Progress | None = None
        self.count = 0  #: diagnostics so far

    @property
    def at_rest(self) -> bool:
        """Whether no frame is waiting or being processed."""
        latest = self.progress
        return latest is not None and latest.received == latest.processed + latest.dropped

    def __enter__(self) -> DiagnosticsObserver:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        rclpy.init(
            context=self._context,
            domain_id=self._domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self._node = rclpy.create_node(
            "demo_observer",
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._node.create_subscription(DiagnosticArray, DIAGNOSTICS_TOPIC, self._store, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait(self, seconds: float) -> None:
        """Take what arrives within that time."""
        self._executor.spin_once(timeout_sec=seconds)

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
                self.progress = Progress(
                    state=values["state"],
                    received=int(values["frames received"]),
                    processed=int(values["frames processed"]),
                    dropped=int(values["frames dropped"]),
                )
