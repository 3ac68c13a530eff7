"""What nodes recorded of themselves and what their listener saw, brought together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hma_depth_ros.benchmarks.camera_feed import Turn
from hma_depth_ros.benchmarks.timing import Timing
from hma_depth_ros.errors import HmaDepthError


@dataclass
class NodeCandidate:
    """What was measured of one node, or of several at the same time; times in seconds."""

    setup: Mapping[str, str]  #: what ran
    nodes: int  #: processes; as many as cameras, or one for all
    threads: int  #: of each node's network on the CPU; 0 leaves it to the engine
    forward_alone: Timing  #: the network's pass without node and DDS, in the same turns
    frame_bytes: int  #: of the messages of a frame that are listened to
    #: Copying so many bytes once, in one thread, in the same turns: what publishing is made of.
    copy: Timing
    #: Of each camera: images a second that were sent to its node.
    sent: list[float] = field(default_factory=list)
    #: Of each camera: messages a second that arrived from its node, by topic.
    rates: list[dict[str, float]] = field(default_factory=list)
    frames: int = 0  #: in all
    #: Of the frames' ends, by the listener's clock, and their node's CPU time in between.
    period: Timing = field(default_factory=Timing)
    #: From the image's publication to the arrival of the last output of it.
    end_to_end: Timing = field(default_factory=Timing)
    stages: dict[str, Timing] = field(default_factory=dict)
    #: From the subscription's callback to the worker, of frames that found it idle.
    hand_over: Timing = field(default_factory=Timing)
    #: Of all nodes' processes; libraries that they share count in each.
    peak_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  #: frames in all, by cause

    @property
    def cameras(self) -> int:
        """How many were on at the same time."""
        return len(self.rates)

    @property
    def frame_rates(self) -> list[float]:
        """Of each camera: frames a second of which all outputs arrived."""
        return [min(rates.values()) for rates in self.rates]

    @property
    def work(self) -> float:
        """Seconds of work on a frame: all stages but waiting, medians."""
        return sum(timing.median for name, timing in self.stages.items() if name != "wait")

    @property
    def overhead(self) -> float:
        """Work beyond the forward pass, as a share of the forward pass in the node."""
        return self.work / self.stages["forward"].median - 1


def join(
    pairs: Sequence[tuple[Mapping[str, Any], Sequence[Turn]]],
    *,
    threads: int,
    nodes: int | None = None,
    topics: Sequence[str],
    forward_alone: Timing,
    frame_bytes: int,
    copy: Timing,
) -> NodeCandidate:
    """Make a candidate's figures.

    Args:
        pairs: of each camera, what its node wrote down, and the turns in which it was on.
        threads: of each node's network on the CPU.
        nodes: how many; by default one for each camera. The memory of one for several cameras is
            written down of the first.
        topics: that were listened to.
        forward_alone: passes of the network alone.
        frame_bytes: of one frame's messages.
        copy: copies of so many bytes.

    Raises:
        HmaDepthError: too little arrived from a node.

    """
    setup, count = pairs[0][0]["setup"], nodes or len(pairs)
    found = NodeCandidate(setup, count, threads, forward_alone, frame_bytes, copy)
    for recorded, turns in pairs:
        before = len(found.period.wall), len(found.end_to_end.wall)
        seconds = sum(turn.end - turn.begin for turn in turns)
        counts: Counter[str] = Counter()
        sent = 0
        for turn in turns:
            _add_recorded(found, recorded, turn)
            counts += _add_arrived(found, turn)
            sent += sum(turn.begin <= when <= turn.end for when in turn.sent.values())
        found.sent.append(sent / seconds)
        found.rates.append({topic: counts[topic] / seconds for topic in topics})
        found.peak_bytes += recorded["peak_bytes"]
        if len(found.period.wall) < before[0] + 2 or len(found.end_to_end.wall) == before[1]:
            raise HmaDepthError(
                f"{found.setup.get('engine')} gave {found.frames} frames, and "
                f"{counts.total()} messages arrived: take more --seconds "
                f"(dropped: {dict(found.dropped)})"
            )
    return found


def _add_recorded(found: NodeCandidate, recorded: Mapping[str, Any], turn: Turn) -> None:
    """Add what a node wrote down of one turn."""
    inside = [f for f in recorded["frames"] if turn.begin <= f["finished"] <= turn.end]
    found.frames += len(inside)
    for frame in inside:
        for name, seconds in frame["stages"].items():
            found.stages.setdefault(name, Timing()).wall.append(seconds)
    for before, frame in itertools.pairwise(inside):
        found.period.wall.append(frame["finished"] - before["finished"])
        found.period.cpu.append(frame["cpu"] - before["cpu"])
        if frame["finished"] - frame["latency"] > before["finished"]:
            found.hand_over.wall.append(frame["stages"]["wait"])
    for drop in recorded["drops"]:
        if turn.begin <= drop["when"] <= turn.end:
            found.dropped[drop["cause"]] += drop["frames"]


def _add_arrived(found: NodeCandidate, turn: Turn) -> Counter[str]:
    """Add what arrived from a node in one turn; return the number of messages, by topic."""
    counts: Counter[str] = Counter()
    last: dict[int, float] = {}
    for topic, stamp, when in turn.arrived:
        # An image of another turn, or of another camera, would have a stamp that is not known here.
        if turn.begin <= when <= turn.end and stamp in turn.sent:
            counts[topic] += 1
            last[stamp] = when
    found.end_to_end.wall += [when - turn.sent[stamp] for stamp, when in last.items()]
    return counts
