"""Whether a node that is to live by simulated time is given any."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.time import Time

from hma_depth_ros.ros.condition_log import ConditionLog

#: Seconds that the time may take to come: a replay waits until a node listens, and begins then.
PATIENCE = 3.0
_TOPIC = "/clock"


class ClockWatch:
    """Watches a node's clock from the watch's creation on."""

    def __init__(self, node: Node, reporter: ConditionLog) -> None:
        self._node, self._reporter = node, reporter
        self._begin = time.monotonic()
        self._published = False  # as far as the graph has shown
        self._stands_at = 0  # nanoseconds; where simulated time begins, until the first message

    def look(self) -> None:
        """Report what is wrong, if anything is; to be called now and then."""
        problem = self._problem()
        self._stands_at = 0 if problem is None else self._node.get_clock().now().nanoseconds
        if problem is None:
            self._reporter.solved(_TOPIC)
        elif time.monotonic() - self._begin > PATIENCE:
            self._reporter.problem(_TOPIC, problem)

    def now(self) -> Time | None:
        """The node's time; None if it has not begun, or has stood still since the last look."""
        now = self._node.get_clock().now()
        return None if now.nanoseconds in (0, self._stands_at) else now

    def _problem(self) -> str | None:
        """What is wrong; nothing if the node goes by the system's clock, or is given time.

        ROS's simulated time is 0 until the first message on /clock, and stands still after the
        last. The message may be there before the graph shows its publisher.
        """
        if not self._node.get_parameter("use_sim_time").value:
            return None
        seconds = self._node.get_clock().now().nanoseconds / 1e9
        if self._node.count_publishers(_TOPIC):
            self._published = True
            return None if seconds else "use_sim_time is true, but no time has come yet"
        if not seconds:
            return (
                "use_sim_time is true, but nobody publishes the time, which stands at 0: start the "
                "simulator, or the replay with --clock, or set use_sim_time to false"
            )
        if self._published:
            return f"nobody publishes the time any longer, which stands at {seconds:.3f} s"
        return None
