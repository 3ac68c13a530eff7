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

    received: int  #: processed + dropped + skipped + failed
    waiting: int  #: frames that are there, too, but it is not decided yet what becomes of them
    processed: int
    dropped: Mapping[str, int]  #: that the node had no time or no calibration for, by cause
    skipped: Mapping[str, int]  #: that nobody wanted anything of, by cause
    failed: Mapping[str, int]  #: that could not be processed, by cause
    undefined: int  #: of the processed ones, those with pixels that the network gave no number for
    rate: float  #: processed frames per second since the previous snapshot
    latency: Mapping[str, float] | None  #: p50, p95, max: from arrival to last output published
    age: float | None  #: mean of the node's clock minus the stamp, when the outputs were out
    stages: Mapping[str, float]  #: mean seconds by stage
    quiet: float | None  #: since the last frame was processed, or was skipped


@dataclass
class FrameStatistics:
    """Counts from the subscription's thread and the worker's; read by the diagnostics."""

    arrived: int = 0
    processed: int = 0
    undefined: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._ages: deque[float] = deque(maxlen=WINDOW)
        self._stages: dict[str, deque[float]] = {}
        self._last_through: float | None = None
        self._previous = (time.monotonic(), 0)

    def count_arrived(self) -> None:
        """One more frame is there; what becomes of it is counted later, exactly once."""
        with self._lock:
            self.arrived += 1

    def count_missed(self, cause: str, frames: int) -> None:
        """So many frames were here and have given way before anything was done with them."""
        with self._lock:
            self.arrived += frames
            self.dropped[cause] += frames

    def count_dropped(self, cause: str, frames: int = 1) -> None:
        """So many frames had to give way."""
        self._leave_out(self.dropped, cause, frames)

    def count_skipped(self, cause: str) -> None:
        """Nothing was wanted of a frame."""
        self._leave_out(self.skipped, cause)
        self._last_through = time.monotonic()

    def count_failed(self, cause: str) -> None:
        """A frame could not be processed."""
        self._leave_out(self.failed, cause)

    def _leave_out(self, fate: Counter[str], cause: str, frames: int = 1) -> None:
        with self._lock:
            if frames:
                fate[cause] += frames

    def count_undefined(self) -> None:
        """Of one frame that is processed the network gave NaN."""
        with self._lock:
            self.undefined += 1

    def count_processed(
        self, *, latency: float, age: float | None, stages: Mapping[str, float]
    ) -> None:
        """One frame's outputs are published; seconds, `age` None where the clock has no time."""
        with self._lock:
            self.processed += 1
            self._last_through = time.monotonic()
            self._latencies.append(latency)
            if age is not None:
                self._ages.append(age)
            for name, seconds in stages.items():
                self._stages.setdefault(name, deque(maxlen=WINDOW)).append(seconds)

    def snapshot(self) -> Snapshot:
        """Current state; the rate is that since the last call."""
        now = time.monotonic()
        with self._lock:
            before, processed_before = self._previous
            self._previous = (now, self.processed)
            left_out = self.dropped.total() + self.skipped.total() + self.failed.total()
            received = self.processed + left_out
            return Snapshot(
                received=received,
                waiting=self.arrived - received,
                processed=self.processed,
                dropped=dict(self.dropped),
                skipped=dict(self.skipped),
                failed=dict(self.failed),
                undefined=self.undefined,
                rate=(self.processed - processed_before) / max(now - before, 1e-9),
                latency=_percentiles(self._latencies),
                age=float(np.mean(self._ages)) if self._ages else None,
                stages={name: float(np.mean(v)) for name, v in self._stages.items()},
                quiet=None if self._last_through is None else now - self._last_through,
            )


def _percentiles(seconds: deque[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p50, p95 = np.percentile(seconds, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": max(seconds)}
