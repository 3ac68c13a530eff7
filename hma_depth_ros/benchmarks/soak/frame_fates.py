"""Which images came out again as a whole, and how long that took, minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hma_depth_ros.benchmarks.camera_feed import Turn

#: Seconds after which what has not come of an image is not waited for any more.
PATIENCE = 5.0


@dataclass
class MinuteFigures:
    """Of the images that were sent in one minute, or in what there was of it."""

    begin: float  #: seconds since the first minute began
    sent: int = 0
    whole: int = 0  #: all outputs arrived
    torn: int = 0  #: some did
    latencies: list[float] = field(default_factory=list)  #: seconds, of those that are whole

    def figures(self) -> dict[str, Any]:
        """For JSON: counts, and percentiles of the latency in seconds (None if none came)."""
        counts = {key: value for key, value in asdict(self).items() if key != "latencies"}
        if not self.latencies:
            return {**counts, "p50": None, "p99": None, "max": None}
        p50, p99 = np.percentile(self.latencies, [50, 99])
        return {**counts, "p50": float(p50), "p99": float(p99), "max": max(self.latencies)}


class FrameFates:
    """Joins what one camera sent with what arrived of it."""

    def __init__(self, turn: Turn, topics: int) -> None:
        """Begin.

        Args:
            turn: that the camera writes to; what is decided is taken out of it.
            topics: outputs of each image.

        """
        self._turn, self._topics = turn, topics
        self._outputs: dict[int, list[float]] = {}  # when they arrived, by stamp
        self.sent = 0  #: since the beginning
        self.whole = 0
        self.torn = 0
        self.minutes: dict[int, MinuteFigures] = {}  #: from the turn's begin on, by number from 0

    def look(self, now: float) -> None:
        """Decide on what can be decided on; `now` is of `time.perf_counter()`."""
        arrived, self._turn.arrived = self._turn.arrived, []
        for _, stamp, when in arrived:
            self._outputs.setdefault(stamp, []).append(when)
        for stamp, sent in self._decided(now):
            del self._turn.sent[stamp]
            self._count(sent, self._outputs.pop(stamp, []))
        if len(self._outputs) > len(self._turn.sent):  # a straggler of what was given up
            self._outputs = {s: o for s, o in self._outputs.items() if s in self._turn.sent}

    def finish(self) -> None:
        """Decide on everything that was sent."""
        self.look(float("inf"))

    def _decided(self, now: float) -> Iterator[tuple[int, float]]:
        for stamp, sent in list(self._turn.sent.items()):
            if len(self._outputs.get(stamp, ())) >= self._topics or now - sent > PATIENCE:
                yield stamp, sent

    def _count(self, sent: float, outputs: list[float]) -> None:
        whole, torn = len(outputs) >= self._topics, 0 < len(outputs) < self._topics
        self.sent += 1
        self.whole += whole
        self.torn += torn
        if sent < self._turn.begin:
            return
        number = int((sent - self._turn.begin) / 60)
        minute = self.minutes.setdefault(number, MinuteFigures(60.0 * number))
        minute.sent += 1
        minute.whole += whole
        minute.torn += torn
        if whole:
            minute.latencies.append(max(outputs) - sent)
