"""Several cameras on one machine, and who gets its cores."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Rig:
    """Cameras that are on at the same time, each with a node of its own."""

    cameras: int
    threads: int  #: of each node's network on the CPU; 0 leaves it to the engine


def share_of_cores(nodes: int) -> int:
    """Threads of each node's network in a rig, as in `rig.launch.py`; 0 leaves it to the engine."""
    return 0 if nodes == 1 else max(1, len(os.sched_getaffinity(0)) // nodes)
