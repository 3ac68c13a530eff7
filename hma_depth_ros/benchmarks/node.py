"""The whole node over DDS: in a process of its own, fed and listened to by another one.

Several cameras have a node each, as `rig.launch.py` starts them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from hma_depth_ros.bags.depth_topics import DEPTH, INFO, POINTS, attention_topic
from hma_depth_ros.benchmarks.cameras import Camera, Turn, feed
from hma_depth_ros.benchmarks.candidates import start_engines, threads_as_in_the_node
from hma_depth_ros.benchmarks.joined import Candidate, join
from hma_depth_ros.benchmarks.predictor import street
from hma_depth_ros.benchmarks.timing import Timing
from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.demo.local_node import LocalNode, local_node
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.ros.outputs import output_types
from hma_depth_ros.ros.transport import tune_malloc, use_large_message_profile

#: Seconds that a node may take to convert and load its network.
_START = 180.0
#: Passes of the network alone in each turn.
_ALONE = 10


@dataclass(frozen=True)
class Plan:
    """What to run."""

    checkpoint: Path
    image_size: tuple[int, int]  #: (H, W) of each camera
    engines: Sequence[tuple[str, str]]  #: (engine, precision)
    cameras: Sequence[int]  #: numbers of cameras that are on at the same time
    threads: Sequence[int]  #: of the CPU, of each node; 0 leaves it to the engine
    topics: Sequence[str]  #: of each node, that are listened to
    rate: float  #: images a second of each camera
    seconds: float  #: of each turn
    rounds: int  #: turns of each candidate
    parameters: Sequence[str]  #: more of the nodes', `NAME:=VALUE`


@dataclass(frozen=True)
class NodeReport:
    """What was measured."""

    candidates: dict[str, Candidate]
    left_out: dict[str, str]  #: engines that could not start, and why


@dataclass(frozen=True)
class _Group:
    """Nodes that are set alike, one for each camera; with fewer cameras the last ones stay idle."""

    name: str
    predictor: DepthPredictor  #: as in the nodes
    threads: int
    figures: list[Path]  #: that the nodes write when they end
    namespaces: list[str]

    def start(self, plan: Plan, children: Children) -> list[Child]:
        """Start the nodes."""
        engine = self.predictor.engine
        parameters = [
            f"checkpoint:={plan.checkpoint}",
            f"engine:={engine.name}",
            f"precision:={engine.precision}",
            f"threads:={self.threads}",
            *plan.parameters,
        ]
        flags = [word for parameter in parameters for word in ("-p", parameter)]
        program = (sys.executable, "-m", "hma_depth_ros.benchmarks.measured_node")
        return [
            children.start(
                path.stem, [*program, str(path), "--ros-args", "-r", f"__ns:={space}", *flags]
            )
            for path, space in zip(self.figures, self.namespaces, strict=True)
        ]


@dataclass
class _Run:
    """What takes turns with others: a number of cameras on a group's nodes."""

    name: str
    group: _Group
    cameras: int
    forward: Timing = field(default_factory=Timing)  #: of the network alone
    turns: list[list[Turn]] = field(default_factory=list)  #: by round and camera

    def joined(self, topics: Sequence[str]) -> Candidate:
        """Read what the nodes have written down, and add it."""
        recorded = [json.loads(p.read_text(encoding="utf-8")) for p in self.group.figures]
        by_camera = zip(*self.turns, strict=True)
        return join(list(zip(recorded, by_camera, strict=False)), topics, self.forward)


def default_topics(info: CheckpointInfo) -> list[str]:
    """Depth, its camera, the cloud and all masks."""
    scales = info.model.reductions if info.model.attention else ()
    return [DEPTH, INFO, POINTS, *map(attention_topic, scales)]


def measure_node(plan: Plan, folder: Path, *, warn: Callable[[str], object]) -> NodeReport:
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
    known = output_types(scales)
    if wrong := [topic for topic in plan.topics if topic not in known]:
        raise HmaDepthError(f"no topic '{wrong[0]}'; the node has {', '.join(known)}")
    left_out: dict[str, str] = {}
    groups = _groups(plan, source, folder, left_out, warn)
    runs = [_Run(_name(group, n, plan), group, n) for group in groups for n in plan.cameras]
    topics = {topic: known[topic] for topic in plan.topics}
    domain = free_domain()
    with Children(folder, isolated_environment(domain, folder / "ros")) as children:
        nodes = [node for group in groups for node in group.start(plan, children)]
        use_large_message_profile()
        tune_malloc()
        with local_node("benchmark_cameras", domain) as local:
            cameras = {
                group.name: [
                    Camera(local.node, space, plan.image_size, topics) for space in group.namespaces
                ]
                for group in groups
            }
            for camera, node in zip(chain(*cameras.values()), nodes, strict=True):
                _wait_for(camera, node, local, children)
            for _ in range(plan.rounds):
                for run in runs:
                    _time_forward(run, plan.image_size)
                    on = cameras[run.group.name][: run.cameras]
                    run.turns.append(feed(on, local, rate=plan.rate, seconds=plan.seconds))
                    children.check()
        children.end(*nodes)
        children.check()
    return NodeReport({run.name: run.joined(plan.topics) for run in runs}, left_out)


def _groups(
    plan: Plan,
    source: ModelSource,
    folder: Path,
    left_out: dict[str, str],
    warn: Callable[[str], object],
) -> list[_Group]:
    """Start each engine in this process, and say which nodes are to have it too."""
    groups: dict[str, _Group] = {}
    for threads in plan.threads:
        started = start_engines(
            source, plan.engines, device="auto", threads=threads, left_out=left_out, warn=warn
        )
        for engine_name, engine in started:
            name = engine_name
            if len(plan.threads) > 1:
                name += f", {_number(threads, 'thread')}" if threads else ", engine's threads"
            number, cameras = len(groups), range(max(plan.cameras))
            groups[name] = _Group(
                name,
                DepthPredictor(engine, source.info),
                threads,
                [folder / f"node_{number}_{camera}.json" for camera in cameras],
                [f"/candidate_{number}/camera_{camera}" for camera in cameras],
            )
    if not groups:
        raise HmaDepthError("; ".join(left_out.values()) or "no engine to measure")
    return list(groups.values())


def _name(group: _Group, cameras: int, plan: Plan) -> str:
    if list(plan.cameras) == [1]:
        return group.name
    return f"{group.name}, {_number(cameras, 'camera')}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _wait_for(camera: Camera, node: Child, local: LocalNode, children: Children) -> None:
    deadline = time.monotonic() + _START
    while not camera.connected:
        children.check()
        if time.monotonic() > deadline or node.has_said("[ERROR]"):
            raise HmaDepthError(f"the node does not get ready; {node.quotation()}")
        local.wait(0.1)


def _time_forward(run: _Run, size: tuple[int, int]) -> None:
    image, predictor = street(size), run.group.predictor
    with threads_as_in_the_node(predictor.engine, run.group.threads):
        for number in range(_ALONE + 2):
            cpu = time.process_time()
            seconds = predictor.predict(image, outputs=()).seconds["forward"]
            if number >= 2:
                run.forward.wall.append(seconds)
                run.forward.cpu.append(time.process_time() - cpu)
