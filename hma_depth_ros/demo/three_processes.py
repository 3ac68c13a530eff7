"""Three processes over DDS on loopback: a replayer, the depth node and a recorder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.demo_report import DIAGNOSTICS_TOPIC
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.demo.local_node import LocalNode, local_node
from hma_depth_ros.demo.observer import DiagnosticsObserver
from hma_depth_ros.demo.recording import DEPTH_TOPIC, MASK_PREFIX, POINTS_TOPIC
from hma_depth_ros.demo.source import Source, remove_bag
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.depth_topics import ATTENTION_COLOR, CONFIDENCE, DEPTH_COLOR, INFO
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD

#: Seconds that the node may take to load its network and subscribe.
_START = 120.0
#: Seconds that the node may take for its last frame, and replaying longer than planned.
_SPARE = 60.0
#: Seconds between two announcements of a DDS participant, and between two heartbeats of a reliable
#: writer, by which lost packets are noticed (Fast DDS's default for both), and a bit.
_DDS_PERIOD = 3.2
_DIAGNOSTICS_PERIOD = 0.5
_TURN = 0.1
#: Messages of each output that the node keeps for a recorder that falls behind.
_KEPT = 10
#: A frame takes 4.5 MB of the bag, instead of 28 as it comes by default.
_SMALL_OUTPUTS = ("cloud_layout:=packed", "cloud_stride:=2", "mask_encoding:=mono8")
_PROGRAM = (sys.executable, "-m", "hma_depth_ros")


@dataclass(frozen=True)
class DemoPlan:
    """What to run."""

    source: Source
    rate: float  #: times as fast as recorded
    scales: tuple[int, ...]  #: of the network's masks
    confidence: bool  #: whether the network estimates its error
    max_depth: float  #: metres
    node_parameters: tuple[str, ...]  #: `NAME:=VALUE`
    output_bag: Path
    logs: Path

    @property
    def image_type(self) -> str:
        """Message type of the bag's images."""
        return COMPRESSED_IMAGE if self.source.compressed else IMAGE

    @property
    def output_types(self) -> dict[str, str]:
        """Message type of each topic that the node publishes for this source."""
        types = {
            DEPTH_TOPIC: COMPRESSED_IMAGE,
            f"/{DEPTH_COLOR}": IMAGE,
            **({f"/{CONFIDENCE}": IMAGE} if self.confidence else {}),
            **{f"{MASK_PREFIX}{scale}": IMAGE for scale in self.scales},
            **({f"/{ATTENTION_COLOR}": IMAGE} if self.scales else {}),
        }
        if self.source.info_topic is not None:
            types |= {f"/{INFO}": CAMERA_INFO, POINTS_TOPIC: POINT_CLOUD}
        return types

    def node_command(self) -> list[str]:
        """Command of the depth node, remapped to the bag's topics."""
        source = self.source
        remaps = [f"image:={source.image_topic.removesuffix('/compressed')}"]
        if source.info_topic is not None:
            remaps.append(f"camera_info:={source.info_topic}")
        parameters = [
            *self.node_parameters,
            f"color_range:={self.max_depth}",
            f"diagnostics_period:={_DIAGNOSTICS_PERIOD}",
            f"image_transport:={'compressed' if source.compressed else 'raw'}",
            "tune_malloc:=true",
            *_SMALL_OUTPUTS,
            # A recorder wants every message, where a viewer is content with the latest.
            *(f"qos_overrides.{t}.publisher.depth:={_KEPT}" for t in self.output_types),
        ]
        flags = [word for remap in remaps for word in ("-r", remap)]
        flags += [word for parameter in parameters for word in ("-p", parameter)]
        return [*_PROGRAM, "depth_node", "--ros-args", *flags]

    def recorder_command(self) -> list[str]:
        """Command of the recorder. With types given, it listens before anybody publishes."""
        types = {
            self.source.image_topic: self.image_type,
            **({self.source.info_topic: CAMERA_INFO} if self.source.info_topic else {}),
            **self.output_types,
            DIAGNOSTICS_TOPIC: "diagnostic_msgs/msg/DiagnosticArray",
        }
        topics = [f"{topic}:{kind}" for topic, kind in types.items()]
        return [*_PROGRAM, "record_bag", *topics, "--compress", "--output", str(self.output_bag)]

    def replayer_command(self) -> list[str]:
        """Command of the replayer, which waits for node, recorder and this process."""
        topics = self.source.topics
        return [
            *_PROGRAM,
            "replay_bag",
            str(self.source.bag),
            *("--rate", str(self.rate)),
            *("--topics", *topics),
            *("--wait-for-subscribers", f"{topics[0]}:3", *(f"{topic}:2" for topic in topics[1:])),
            *("--wait-timeout", str(2 * _START)),
        ]


def run(plan: DemoPlan, *, report: Callable[[str], None]) -> None:
    """Run the three processes until the bag is replayed and its last frame processed.

    The replayer waits for three subscribers: the node, the recorder, and this process, which
    subscribes when the other two have found each other.

    Args:
        plan: what to run.
        report: called again and again with a few words on the progress.

    Raises:
        HmaDepthError: a process failed, quoting its last lines, or the node does not get ready.

    """
    remove_bag(plan.output_bag)
    domain = free_domain()
    environment = isolated_environment(domain, plan.logs / "ros")
    with Children(plan.logs, environment) as children:
        recorder = children.start("recorder", plan.recorder_command())
        node = children.start("node", plan.node_command())
        replayer = children.start("replayer", plan.replayer_command())
        with local_node("demo_observer", domain) as local:
            observer = DiagnosticsObserver(local.node)
            watch = _Watch(children, node, local, observer, report)
            watch.until(lambda: observer.is_active and recorder.has_said("recording"), _START)
            watch.started = True
            # Now the recorder knows the node, but not necessarily the other way round.
            watch.pause(_DDS_PERIOD)
            observer.listen(plan.source.image_topic, plan.image_type)
            watch.until(lambda: replayer.status == 0, plan.source.seconds / plan.rate + _SPARE)
            last = observer.count
            watch.until(lambda: observer.at_rest and observer.count > last, _SPARE)
            # What the recorder lacks of the last frames is sent again after the next heartbeat.
            watch.pause(_DDS_PERIOD)
        # The recorder before the node: what the node has published is still to be taken.
        for child in (recorder, node):
            children.end(child)
        children.check()


@dataclass
class _Watch:
    """Waiting while the processes are watched."""

    children: Children
    node: Child
    local: LocalNode
    observer: DiagnosticsObserver
    report: Callable[[str], None]
    started: bool = False  #: from here on the node has to be active

    def until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self.children.check()
            self.local.wait(_TURN)
            progress = self.observer.progress
            if self.started and progress is not None and not self.observer.is_active:
                raise HmaDepthError(f"the node is {progress.state}; {self.node.quotation()}")
            if not self.started and self.node.has_said("[ERROR]"):
                raise HmaDepthError(f"the node does not get ready; {self.node.quotation()}")
            if time.monotonic() > deadline:
                raise HmaDepthError(f"no end after {seconds:.0f} s; {self.node.quotation()}")
            self.report("starting" if progress is None else str(progress))

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, 2 * seconds)
