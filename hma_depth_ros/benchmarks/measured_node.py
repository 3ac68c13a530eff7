"""The depth or the rig node as it is, with every frame's figures written to a file when it ends.

Started by `benchmark node`:
`python3 -m hma_depth_ros.benchmarks.measured_node depth_node FILE --ros-args ...`
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hma_depth_ros.files import atomic_path
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.depth_node.rig_node import RigNode
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics
from hma_depth_ros.ros.ros_session import ros_session
from hma_depth_ros.ros.spin import spin


class CpuMeter:
    """CPU time of this process since it was last asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = time.process_time()

    def since_last(self) -> float:
        """Seconds."""
        with self._lock:
            last, self._last = self._last, time.process_time()
            return self._last - last


class RecordedStatistics(FrameStatistics):
    """Keeps the figures of all of a camera's frames, with times of a clock that processes share."""

    def __init__(self, meter: CpuMeter) -> None:
        """Begin; of the process's CPU time a frame has what was used since the one before it.

        That may have been another camera's, with which the meter is shared.
        """
        super().__init__()
        self._meter, self._cpu = meter, 0.0
        self.frames: list[dict[str, Any]] = []
        self.drops: list[dict[str, Any]] = []

    def _leave_out(self, fate: Counter[str], cause: str, frames: int = 1) -> None:
        self.drops.append({"when": time.perf_counter(), "cause": cause, "frames": frames})
        super()._leave_out(fate, cause, frames)

    def count_processed(
        self, *, latency: float, age: float | None, stages: Mapping[str, float]
    ) -> None:
        """See `FrameStatistics`."""
        self._cpu += self._meter.since_last()
        self.frames.append(
            {
                "finished": time.perf_counter(),
                "cpu": self._cpu,
                "latency": latency,
                "stages": dict(stages),
            }
        )
        super().count_processed(latency=latency, age=age, stages=stages)


def main(argv: Sequence[str]) -> int:
    """Run the node until a signal ends it, then write the file."""
    kind, path = argv[0], Path(argv[1])
    meter = CpuMeter()
    recorded: list[RecordedStatistics] = []

    def statistics() -> RecordedStatistics:
        recorded.append(RecordedStatistics(meter))
        return recorded[-1]

    with ros_session([kind, *argv[2:]]) as stop:
        make = {"depth_node": DepthNode, "rig_node": RigNode}[kind]
        node = make(statistics=statistics, stop=stop)
        try:
            spin(node, stop)
            setup = node.setup
        finally:
            node.destroy_node()
    content = {
        "setup": setup,
        "cameras": [{"frames": camera.frames, "drops": camera.drops} for camera in recorded],
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
