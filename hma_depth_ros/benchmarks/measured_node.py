"""The depth node as it is, with every frame's figures written to a file when it ends.

Started by `benchmark node`: `python3 -m hma_depth_ros.benchmarks.measured_node FILE --ros-args ...`
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hma_depth_ros.files import atomic_path
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics
from hma_depth_ros.ros.ros_session import ros_session
from hma_depth_ros.ros.spin import spin


class RecordedStatistics(FrameStatistics):
    """Keeps the figures of all frames, with times of a clock that all processes share."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[dict[str, Any]] = []
        self.drops: list[dict[str, Any]] = []

    def _leave_out(self, fate: Counter[str], cause: str, frames: int = 1) -> None:
        self.drops.append({"when": time.perf_counter(), "cause": cause, "frames": frames})
        super()._leave_out(fate, cause, frames)

    def count_processed(
        self, *, latency: float, age: float | None, stages: Mapping[str, float]
    ) -> None:
        """See `FrameStatistics`."""
        self.frames.append(
            {
                "finished": time.perf_counter(),
                "cpu": time.process_time(),
                "latency": latency,
                "stages": dict(stages),
            }
        )
        super().count_processed(latency=latency, age=age, stages=stages)


def main(argv: Sequence[str]) -> int:
    """Run the node until a signal ends it, then write the file."""
    path = Path(argv[0])
    statistics = RecordedStatistics()
    with ros_session(["depth_node", *argv[1:]]) as stop:
        node = DepthNode(statistics=statistics, stop=stop)
        try:
            spin(node, stop)
            setup = node.setup
        finally:
            node.destroy_node()
    content = {
        "setup": setup,
        "frames": statistics.frames,
        "drops": statistics.drops,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
