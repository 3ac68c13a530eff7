"""The whole node over DDS: in a process of its own, fed and listened to by another one."""

from __future__ import annotations

import itertools
import json
import os
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from hma_depth_ros.bags.depth_topics import DEPTH, INFO, POINTS, attention_topic
from hma_depth_ros.benchmarks.candidates import start_engines
from hma_depth_ros.benchmarks.predictor import camera_of, street
from hma_depth_ros.benchmarks.timing import Timing
from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.ros.image_messages import image_message
from hma_depth_ros.ros.outputs import output_types
from hma_depth_ros.ros.qos import output_qos
from hma_depth_ros.ros.transport import tune_malloc, use_large_message_profile

#: Seconds that a node may take to convert and load its network.
_START = 180.0
#: Frames of the beginning of each turn are not counted.
_WARM_UP = 1.0
#: Passes of the network alone in each turn.
_ALONE = 10
#: Stamp of a serialised message that begins with a header, after the four bytes of CDR itself.
_STAMP = struct.Struct("<iI")
_STAMP_OFFSET = 4


@dataclass(frozen=True)
class Plan:
    """What to run."""

    checkpoint: Path
    image_size: tuple[int, int]  #: (H, W) of the camera
    engines: Sequence[tuple[str, str]]  #: (engine, precision)
    topics: Sequence[str]  #: of the node, that are listened to
    rate: float  #: images a second
    seconds: float  #: of each turn
    rounds: int  #: turns of each engine
    threads: int  #: of the CPU; 0 leaves it to the engine
    parameters: Sequence[str]  #: more of the node's, `NAME:=VALUE`


@dataclass
class Candidate:
    """What was measured of one node; times in seconds."""

    setup: Mapping[str, str]  #: what ran
    frames: int
    #: Of the frames' ends, by the listener's clock, and the node's CPU time in between.
    period: Timing
    rates: dict[str, float]  #: messages a second that arrived, by topic
    end_to_end: Timing  #: from the image's publication to the arrival of the last output of it
    stages: dict[str, Timing]
    #: From the subscription's callback to the worker, of frames that found it idle.
    hand_over: Timing
    forward_alone: Timing  #: the network's pass without node and DDS, in the same turns
    peak_bytes: int
    dropped: Mapping[str, int]

    @property
    def work(self) -> float:
        """Seconds of work on a frame: all stages but waiting, medians."""
        return sum(timing.median for name, timing in self.stages.items() if name != "wait")

    @property
    def overhead(self) -> float:
        """Work beyond the forward pass, as a share of the forward pass in the node."""
        return self.work / self.stages["forward"].median - 1


@dataclass(frozen=True)
class NodeReport:
    """What was measured."""

    candidates: dict[str, Candidate]
    left_out: dict[str, str]  #: engines that could not start, and why


def default_topics(info: CheckpointInfo) -> list[str]:
    """Depth, its camera, the cloud and all masks."""
    scales = info.model.reductions if info.model.attention else ()
    return [DEPTH, INFO, POINTS, *map(attention_topic, scales)]


def measure_node(plan: Plan, folder: Path, *, warn: Callable[[str], object]) -> NodeReport:
    """Feed nodes in turn, one for each engine, and listen to what they publish.

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
    started = start_engines(
        source, plan.engines, device="auto", threads=plan.threads, left_out=left_out, warn=warn
    )
    alone = {name: DepthPredictor(engine, source.info) for name, engine in started}
    if not alone:
        raise HmaDepthError("; ".join(left_out.values()) or "no engine to measure")
    domain = free_domain()
    environment = isolated_environment(domain, folder / "ros")
    with Children(folder, environment) as children:
        nodes = {
            name: children.start(f"node_{index}", _command(plan, predictor, index, folder))
            for index, (name, predictor) in enumerate(alone.items())
        }
        with Camera(plan, domain, {t: known[t] for t in plan.topics}, len(nodes)) as camera:
            for index, node in enumerate(nodes.values()):
                camera.wait_for(index, node, children)
            forwards: dict[str, Timing] = {name: Timing() for name in alone}
            for _ in range(plan.rounds):
                for index, (name, predictor) in enumerate(alone.items()):
                    _time_forward(predictor, plan.image_size, forwards[name])
                    camera.feed(index, children)
        for node in nodes.values():
            children.end(node)
        children.check()
    candidates = {}
    for index, name in enumerate(alone):
        recorded = json.loads(_figures(folder, index).read_text(encoding="utf-8"))
        candidates[name] = _candidate(recorded, camera.turns[index], plan, forwards[name])
    return NodeReport(candidates, left_out)


def _figures(folder: Path, index: int) -> Path:
    return folder / f"node_{index}.json"


def _command(plan: Plan, predictor: DepthPredictor, index: int, folder: Path) -> list[str]:
    parameters = [
        f"checkpoint:={plan.checkpoint}",
        f"engine:={predictor.engine.name}",
        f"precision:={predictor.engine.precision}",
        f"threads:={plan.threads}",
        *plan.parameters,
    ]
    flags = [word for parameter in parameters for word in ("-p", parameter)]
    module = "hma_depth_ros.benchmarks.measured_node"
    path = str(_figures(folder, index))
    namespace = ["-r", f"__ns:={_namespace(index)}"]
    return [sys.executable, "-m", module, path, "--ros-args", *namespace, *flags]


def _namespace(index: int) -> str:
    return f"/candidate_{index}"


def _time_forward(predictor: DepthPredictor, size: tuple[int, int], timing: Timing) -> None:
    image = street(size)
    for number in range(_ALONE + 2):
        cpu = time.process_time()
        seconds = predictor.predict(image, outputs=()).seconds["forward"]
        if number >= 2:
            timing.wall.append(seconds)
            timing.cpu.append(time.process_time() - cpu)


@dataclass
class _Turn:
    """One stretch of time in which one node was fed."""

    begin: float = 0.0  #: of what counts
    end: float = 0.0
    sent: dict[int, float] = field(default_factory=dict)  #: by stamp
    arrived: list[tuple[str, int, float]] = field(default_factory=list)  #: topic, stamp, when


class Camera:
    """Publishes images to nodes and listens to their outputs, without threads."""

    def __init__(self, plan: Plan, domain: int, topics: Mapping[str, Any], count: int) -> None:
        self._plan = plan
        self._domain = domain
        self._topics = topics
        self._count = count
        self._context = Context()
        self.turns: list[list[_Turn]] = [[] for _ in range(count)]

    def __enter__(self) -> Camera:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        use_large_message_profile()
        tune_malloc()
        rclpy.init(
            context=self._context,
            domain_id=self._domain,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self._node = rclpy.create_node(
            "benchmark_camera",
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._publishers = []
        self._subscriptions = []
        for index in range(self._count):
            space = _namespace(index)
            self._publishers.append(
                (
                    self._node.create_publisher(Image, f"{space}/image", qos_profile_sensor_data),
                    self._node.create_publisher(
                        CameraInfo, f"{space}/camera_info", qos_profile_sensor_data
                    ),
                )
            )
            self._subscriptions += [
                self._node.create_subscription(
                    kind,
                    f"{space}/{topic}",
                    partial(self._take, index, topic),
                    output_qos(),
                    raw=True,
                )
                for topic, kind in self._topics.items()
            ]
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._image = image_message(Header(), street(self._plan.image_size), "rgb8")
        self._info = _camera_info(self._plan.image_size)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for(self, index: int, node: Child, children: Children) -> None:
        """Wait until a node has subscribed.

        Raises:
            HmaDepthError: it does not.

        """
        deadline = time.monotonic() + _START
        space = _namespace(index)
        while not (
            all(p.get_subscription_count() for p in self._publishers[index])
            and all(self._node.count_publishers(f"{space}/{topic}") for topic in self._topics)
        ):
            children.check()
            if time.monotonic() > deadline or node.has_said("[ERROR]"):
                raise HmaDepthError(f"the node does not get ready; {node.quotation()}")
            self._executor.spin_once(timeout_sec=0.1)

    def feed(self, index: int, children: Children) -> None:
        """Publish images for one turn, and take what comes out."""
        turn = _Turn(begin=time.perf_counter() + _WARM_UP)
        turn.end = turn.begin + self._plan.seconds
        self.turns[index].append(turn)
        image, info = self._publishers[index]
        due = time.perf_counter()
        while (now := time.perf_counter()) < turn.end:
            if now < due:
                self._executor.spin_once(timeout_sec=due - now)
                continue
            due = max(due + 1 / self._plan.rate, now)
            stamp = self._node.get_clock().now()
            self._info.header.stamp = self._image.header.stamp = stamp.to_msg()
            info.publish(self._info)
            turn.sent[stamp.nanoseconds] = time.perf_counter()
            image.publish(self._image)
        quiet = time.perf_counter() + 1.0  # the last frame's outputs
        while time.perf_counter() < quiet:
            self._executor.spin_once(timeout_sec=0.1)
        children.check()

    def _take(self, index: int, topic: str, raw: bytes) -> None:
        seconds, nanoseconds = _STAMP.unpack_from(raw, _STAMP_OFFSET)
        stamp = seconds * 1_000_000_000 + nanoseconds
        self.turns[index][-1].arrived.append((topic, stamp, time.perf_counter()))


def _camera_info(size: tuple[int, int]) -> CameraInfo:
    camera = camera_of(size)
    info = CameraInfo(width=camera.width, height=camera.height)
    info.p = [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return info


def _candidate(
    recorded: Mapping[str, Any], turns: Sequence[_Turn], plan: Plan, forward: Timing
) -> Candidate:
    """Bring the node's own figures and those of its listener together."""
    period, end_to_end, hand_over = Timing(), Timing(), Timing()
    stages: dict[str, Timing] = {}
    counts: Counter[str] = Counter()
    frames = 0
    for turn in turns:
        inside = [f for f in recorded["frames"] if turn.begin <= f["finished"] <= turn.end]
        frames += len(inside)
        for frame in inside:
            for name, seconds in frame["stages"].items():
                stages.setdefault(name, Timing()).wall.append(seconds)
        for before, frame in itertools.pairwise(inside):
            period.wall.append(frame["finished"] - before["finished"])
            period.cpu.append(frame["cpu"] - before["cpu"])
            if frame["finished"] - frame["latency"] > before["finished"]:
                hand_over.wall.append(frame["stages"]["wait"])
        last: dict[int, float] = {}
        for topic, stamp, when in turn.arrived:
            if turn.begin <= when <= turn.end:
                counts[topic] += 1
                last[stamp] = when
        end_to_end.wall += [when - turn.sent[stamp] for stamp, when in last.items()]
    if len(period.wall) < 2 or not end_to_end.wall:
        raise HmaDepthError(
            f"{recorded['setup'].get('engine')} gave {frames} frames, and {sum(counts.values())} "
            f"messages arrived: take more --seconds (dropped: {recorded['dropped']})"
        )
    seconds = plan.seconds * len(turns)
    return Candidate(
        setup=recorded["setup"],
        frames=frames,
        period=period,
        rates={topic: counts[topic] / seconds for topic in plan.topics},
        end_to_end=end_to_end,
        stages=stages,
        hand_over=hand_over,
        forward_alone=forward,
        peak_bytes=recorded["peak_bytes"],
        dropped=recorded["dropped"],
    )
