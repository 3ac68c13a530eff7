"""Calls that are timed in turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

#: Calls before the first that counts; slow ones need fewer.
_WARM_UP = 3
_WARM_UP_SECONDS = 1.0


@dataclass
class Timing:
    """Seconds of each call, by the clock and of all threads' CPU time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds by the clock."""
        return float(np.median(self.wall))

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third, seconds."""
        first, third = np.quantile(self.wall, (0.25, 0.75))
        return float(first), float(third)

    @property
    def cpu_median(self) -> float:
        """Seconds of CPU time of a call."""
        return float(np.median(self.cpu))

    def figures(self) -> dict[str, Any]:
        """Seconds, for a JSON file."""
        return {
            "median": self.median,
            "quartiles": self.quartiles,
            **({"cpu_median": self.cpu_median} if self.cpu else {}),
            "count": len(self.wall),
        }


def take_turns(candidates: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """Time calls of all candidates in turn, so that what else the machine does hits all alike."""
    timings = {name: Timing() for name in candidates}
    for call in candidates.values():
        begin = time.perf_counter()
        for _ in range(_WARM_UP):
            call()
            if time.perf_counter() - begin > _WARM_UP_SECONDS:
                break
    for _ in range(rounds):
        for name, call in candidates.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            timings[name].wall.append(time.perf_counter() - wall)
            timings[name].cpu.append(time.process_time() - cpu)
    return timings


def resident_bytes() -> int:
    """Memory of this process that is in RAM now (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
