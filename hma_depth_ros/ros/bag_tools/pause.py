"""Pausing a replay from anywhere in the graph, without a keyboard."""

from __future__ import annotations

import threading

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

_POLL = 0.05  # seconds between two looks at the reason to stop


class PauseControl:
    """Services `~/set_paused` and `~/toggle_paused`, topic `~/pause`, and the state on `~/paused`.

    The node must be served.
    """

    def __init__(self, node: Node, *, paused: bool = False) -> None:
        """Create services and topics of the caller's node; begin paused or not."""
        self._lock = threading.Lock()
        self._running = threading.Event()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._state = node.create_publisher(Bool, "~/paused", latched)
        node.create_service(SetBool, "~/set_paused", self._on_set)
        node.create_service(Trigger, "~/toggle_paused", self._on_toggle)
        node.create_subscription(Bool, "~/pause", lambda message: self.set(message.data), 10)
        self.set(paused)

    @property
    def paused(self) -> bool:
        """Whether the replay is to stand still."""
        return not self._running.is_set()

    def set(self, paused: bool) -> None:
        """Pause or go on."""
        with self._lock:
            if paused:
                self._running.clear()
            else:
                self._running.set()
            self._state.publish(Bool(data=paused))

    def wait(self, stop: threading.Event) -> None:
        """Return when the replay goes on or stops, or after a moment, whichever is first."""
        if not stop.is_set():
            self._running.wait(_POLL)

    def _on_set(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.set(request.data)
        response.success, response.message = True, self._word()
        return response

    def _on_toggle(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.set(not self.paused)
        response.success, response.message = True, self._word()
        return response

    def _word(self) -> str:
        return "paused" if self.paused else "running"
