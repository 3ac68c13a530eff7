"""Whether a node that is to live by simulated time is given any."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.time import Time

from hma_depth_ros.ros.reporter import Reporter

#: Seconds that the time may take to come: a replay waits until a node listens, and begins then.
PATIENCE = 3.0
_TOPIC = "/clock"


class ClockWatch:
    """Watches a node's clock from the watch's creation on."""

    def __init__(self, node: Node, reporter: Reporter) -> None:
        self._node, self._reporter = node, reporter
        self._begin = time.monotonic()
        self._gone = False

    def look(self) -> None:
        """Report what is wrong, if anything is; to be called now and then."""
        problem = _problem(self._node)
        self._gone = problem is not None
        if problem is None:
            self._reporter.solved(_TOPIC)
        elif time.monotonic() - self._begin > PATIENCE:
            self._reporter.problem(_TOPIC, problem)

    def now(self) -> Time | None:
        """The node's time; None if it is none, or stands still as of the last look."""
        now = self._node.get_clock().now()
        return now if now.nanoseconds and not self._gone else None


def _problem(node: Node) -> str | None:
    """What is wrong with the node's time; None if it goes by the system's clock or is given time.

    ROS's simulated time is 0 until the first message on /clock, and stands still after the last.
    """
    if not node.get_parameter("use_sim_time").value:
        return None
    seconds = node.get_clock().now().nanoseconds / 1e9
    if node.count_publishers(_TOPIC):
        return None if seconds else "use_sim_time is true, but no time has come yet"
    if seconds:
        return f"nobody publishes the time any longer, which stands at {seconds:.3f} s"
    return (
        "use_sim_time is true, but nobody publishes the time, which stands at 0: start the "
        "simulator, or the replay with --clock, or set use_sim_time to false"
    )
