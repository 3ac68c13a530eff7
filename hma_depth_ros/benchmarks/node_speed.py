"""The whole node over DDS: in a process of its own, fed and listened to by another one.

Several cameras have a node each, or one rig node together: `rig.launch.py` starts them either way.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hma_depth_ros.benchmarks.camera_feed import Camera, Turn, feed, wait_for_node
from hma_depth_ros.benchmarks.candidates import start_engines, threads_as_in_the_node
from hma_depth_ros.benchmarks.joined import NodeCandidate, join
from hma_depth_ros.benchmarks.predictor_speed import street
from hma_depth_ros.benchmarks.rig import Rig
from hma_depth_ros.benchmarks.timing import Timing
from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.demo.local_node import local_node
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.depth_topics import DEPTH, INFO, POINTS, attention_topic
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.ros.depth_node.outputs import output_types
from hma_depth_ros.ros.transport import tune_malloc, use_large_message_profile

#: Seconds that a node may take to convert and load its network.
_START = 180.0
#: Passes of the network alone in each turn, and copies of a frame's messages.
_ALONE = 10


@dataclass(frozen=True)
class NodePlan:
    """What to run."""

    checkpoint: Path
    image_size: tuple[int, int]  #: (H, W) of each camera
    engines: Sequence[tuple[str, str]]  #: (engine, precision)
    rigs: Sequence[Rig]  #: each with each engine
    topics: Sequence[str]  #: of each node, that are listened to
    rate: float  #: images a second of each camera
    seconds: float  #: of each turn
    rounds: int  #: turns of each candidate
    parameters: Sequence[str]  #: more of the nodes', `NAME:=VALUE`


@dataclass(frozen=True)
class NodeReport:
    """What was measured."""

    candidates: dict[str, NodeCandidate]
    left_out: dict[str, str]  #: engines that could not start, and why


@dataclass(frozen=True)
class _Group:
    """Nodes that are set alike.

    One for each camera of the largest rig, of which some are idle in smaller ones; or one for all
    cameras of one rig, whose memory is its own then.
    """

    engine: str  #: name and precision
    predictor: DepthPredictor  #: as in the nodes
    threads: int
    figures: list[Path]  #: that the nodes write when they end
    namespaces: list[str]  #: of each camera
    one_node: bool

    def start(self, plan: NodePlan, children: Children) -> list[Child]:
        """Start the nodes; return that of each camera."""
        engine = self.predictor.engine
        parameters = [
            f"checkpoint:={plan.checkpoint}",
            f"engine:={engine.name}",
            f"precision:={engine.precision}",
            f"threads:={self.threads}",
            *plan.parameters,
        ]
        if self.one_node:
            above, names = zip(*(space.rsplit("/", 1) for space in self.namespaces), strict=True)
            parameters.append(f"cameras:=[{','.join(names)}]")
            (path,) = self.figures
            node = self._start_one("rig_node", path, above[0], parameters, children)
            return [node] * len(self.namespaces)
        return [
            self._start_one("depth_node", path, space, parameters, children)
            for path, space in zip(self.figures, self.namespaces, strict=True)
        ]

    def _start_one(
        self, kind: str, figures: Path, space: str, parameters: list[str], children: Children
    ) -> Child:
        flags = [word for parameter in parameters for word in ("-p", parameter)]
        program = (sys.executable, "-m", "hma_depth_ros.benchmarks.measured_node")
        return children.start(
            figures.stem,
            [*program, kind, str(figures), "--ros-args", "-r", f"__ns:={space}", *flags],
        )


@dataclass
class _Run:
    """What takes turns with others: a rig on a group's nodes."""

    name: str
    group: _Group
    rig: Rig
    forward: Timing = field(default_factory=Timing)  #: of the network alone
    frame_bytes: int = 0  #: of one frame's messages
    copy: Timing = field(default_factory=Timing)  #: of so many bytes
    turns: list[list[Turn]] = field(default_factory=list)  #: by round and camera

    def joined(self, topics: Sequence[str]) -> NodeCandidate:
        """Read what the nodes have written down, and add it."""
        files = self.group.figures[: self.rig.cameras]
        recorded: list[dict[str, Any]] = []
        for content in (json.loads(path.read_text(encoding="utf-8")) for path in files):
            setup, peak = content["setup"], content["peak_bytes"]
            for camera in content["cameras"]:
                recorded.append({"setup": setup, "peak_bytes": peak, **camera})
                peak = 0  # once for each process
        by_camera = zip(*self.turns, strict=True)
        pairs = list(zip(recorded, by_camera, strict=True))
        return join(
            pairs,
            nodes=len(files),
            threads=self.rig.threads,
            topics=topics,
            forward_alone=self.forward,
            frame_bytes=self.frame_bytes,
            copy=self.copy,
        )


def default_topics(info: CheckpointInfo) -> list[str]:
    """Depth, its camera, the cloud and all masks."""
    scales = info.model.reductions if info.model.attention else ()
    return [DEPTH, INFO, POINTS, *map(attention_topic, scales)]


def measure_node(plan: NodePlan, folder: Path, *, warn: Callable[[str], object]) -> NodeReport:
    """Feed nodes of each engine in turn, and listen to what they publish.

    Args:
        plan: what to run.
        folder: for logs and figures of the nodes.
        warn: is told what goes wrong on the way.

    Raises:
        HmaDepthError: checkpoint or topics cannot be used, no engine starts, or a node fails.

    """
    source = ModelSource(plan.checkpoint)
    scales = source.info.model.reductions if source.info.model.attention else ()
    known = output_types(scales, confidence=source.info.model.uncertainty)
    if wrong := [topic for topic in plan.topics if topic not in known]:
        raise HmaDepthError(f"no topic '{wrong[0]}'; the node has {', '.join(known)}")
    left_out: dict[str, str] = {}
    groups = _groups(plan, source, folder, left_out, warn)
    runs = [
        _Run(_name(group.engine, rig, plan), group, rig)
        for group in groups
        for rig in plan.rigs
        if rig.threads == group.threads
        and rig.one_node == group.one_node
        and (not rig.one_node or rig.cameras == len(group.namespaces))
    ]
    topics = {topic: known[topic] for topic in plan.topics}
    domain = free_domain()
    with Children(folder, isolated_environment(domain, folder / "ros")) as children:
        nodes = [node for group in groups for node in group.start(plan, children)]
        use_large_message_profile()
        tune_malloc()
        with local_node("benchmark_cameras", domain) as local:
            cameras = {
                space: Camera(local.node, space, plan.image_size, topics)
                for group in groups
                for space in group.namespaces
            }
            for camera, node in zip(cameras.values(), nodes, strict=True):
                wait_for_node(camera, node, local, children, seconds=_START)
            for _ in range(plan.rounds):
                for run in runs:
                    _time_forward(run, plan.image_size)
                    on = [cameras[space] for space in run.group.namespaces[: run.rig.cameras]]
                    run.turns.append(feed(on, local, rate=plan.rate, seconds=plan.seconds))
                    children.check()
                    _time_copy(run, sum(on[0].sizes.values()))
        children.end(*dict.fromkeys(nodes))
        children.check()
    return NodeReport({run.name: run.joined(plan.topics) for run in runs}, left_out)


def _groups(
    plan: NodePlan,
    source: ModelSource,
    folder: Path,
    left_out: dict[str, str],
    warn: Callable[[str], object],
) -> list[_Group]:
    """Start each engine in this process, and say which nodes are to have it too."""
    groups: list[_Group] = []
    for threads in dict.fromkeys(rig.threads for rig in plan.rigs):
        started = start_engines(
            source, plan.engines, device="auto", threads=threads, left_out=left_out, warn=warn
        )
        rigs = [rig for rig in plan.rigs if rig.threads == threads]
        separate = [rig.cameras for rig in rigs if not rig.one_node]
        counts = [(max(separate), False)] if separate else []
        counts += [(rig.cameras, True) for rig in rigs if rig.one_node]
        for name, engine in started:
            for count, one_node in counts:
                number = len(groups)
                figures = [folder / f"node_{number}_{index}.json" for index in range(count)]
                groups.append(
                    _Group(
                        name,
                        DepthPredictor(engine, source.info),
                        threads,
                        figures[:1] if one_node else figures,
                        [f"/candidate_{number}/camera_{index}" for index in range(count)],
                        one_node,
                    )
                )
    if not groups:
        raise HmaDepthError("; ".join(left_out.values()) or "no engine to measure")
    return groups


def _name(engine: str, rig: Rig, plan: NodePlan) -> str:
    """The engine, and what of the rig tells candidates apart."""
    words = [engine]
    if {other.cameras for other in plan.rigs} != {1}:
        words.append(f"{rig.cameras} camera{'' if rig.cameras == 1 else 's'}")
    if len({other.threads for other in plan.rigs if other.cameras == rig.cameras}) > 1:
        words.append(f"threads {rig.threads}")
    if rig.one_node:
        words.append("one node")
    return ", ".join(words)


def _time_forward(run: _Run, size: tuple[int, int]) -> None:
    image, predictor = street(size), run.group.predictor
    with threads_as_in_the_node(predictor.engine, run.group.threads):
        for number in range(_ALONE + 2):
            cpu = time.process_time()
            seconds = predictor.predict(image, outputs=()).seconds["forward"]
            if number >= 2:
                run.forward.wall.append(seconds)
                run.forward.cpu.append(time.process_time() - cpu)


def _time_copy(run: _Run, size: int) -> None:
    """Time the copying of so many bytes from memory that was just written, as by the node."""
    run.frame_bytes = size
    source, target = np.ones(size, np.uint8), np.ones(size, np.uint8)
    for _ in range(_ALONE):
        source += 1
        begin, cpu = time.perf_counter(), time.process_time()
        np.copyto(target, source)
        run.copy.wall.append(time.perf_counter() - begin)
        run.copy.cpu.append(time.process_time() - cpu)
