"""What happened to the frames: counts, latencies, ages and milliseconds by stage."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

#: Frames that percentiles and means are taken over.
WINDOW = 200


@dataclass(frozen=True)
class Snapshot:
    """State of the statistics at one moment; times in seconds, None before the first frame."""

    received: int
    processed: int
    dropped: Mapping[str, int]  #: by cause
    rate: float  #: processed frames per second since the previous snapshot
    latency: Mapping[str, float] | None  #: p50, p95, max: from arrival to last output published
    age: float | None  #: mean of the node's clock minus the stamp, when the outputs were out
    stages: Mapping[str, float]  #: mean seconds by stage
    idle: float | None  #: since the last frame arrived


@dataclass
class FrameStatistics:
    """Counts from the subscription's thread and the worker's; read by the diagnostics."""

    received: int = 0
    processed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._ages: deque[float] = deque(maxlen=WINDOW)
        self._stages: dict[str, deque[float]] = {}
        self._last_arrival: float | None = None
        self._previous = (time.monotonic(), 0)

    def count_received(self) -> None:
        """One more frame has arrived."""
        with self._lock:
            self.received += 1
            self._last_arrival = time.monotonic()

    def count_dropped(self, cause: str, frames: int = 1) -> None:
        """So many frames will not be processed."""
        with self._lock:
            if frames:
                self.dropped[cause] += frames

    def count_processed(self, *, latency: float, age: float, stages: Mapping[str, float]) -> None:
        """One frame's outputs are published; seconds."""
        with self._lock:
            self.processed += 1
            self._latencies.append(latency)
            self._ages.append(age)
            for name, seconds in stages.items():
                self._stages.setdefault(name, deque(maxlen=WINDOW)).append(seconds)

    def snapshot(self) -> Snapshot:
        """Current state; the rate is that since the last call."""
        now = time.monotonic()
        with self._lock:
            before, processed_before = self._previous
            self._previous = (now, self.processed)
            return Snapshot(
                received=self.received,
                processed=self.processed,
                dropped=dict(self.dropped),
                rate=(self.processed - processed_before) / max(now - before, 1e-9),
                latency=_percentiles(self._latencies),
                age=float(np.mean(self._ages)) if self._ages else None,
                stages={name: float(np.mean(v)) for name, v in self._stages.items()},
                idle=None if self._last_arrival is None else now - self._last_arrival,
            )


def _percentiles(seconds: deque[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": max(seconds)}
