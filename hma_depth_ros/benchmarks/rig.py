"""Several cameras on one machine, and who gets its cores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rig:
    """Cameras that are on at the same time, each with a node of its own."""

    cameras: int
    threads: int  #: of each node's network on the CPU; 0 leaves it to the engine
