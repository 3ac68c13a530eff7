"""Several cameras on one machine, and who gets its cores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rig:
    """Cameras that are on at the same time."""

    cameras: int
    threads: int  #: of each node's network on the CPU; 0 leaves it to the engine
    one_node: bool = False  #: for all cameras, instead of one for each
