"""The depth node's process, fed at a steady rate and heard in all its topics.

What is known is written to soak.json at each minute's end: an interrupted run has its table, too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile

from hma_depth_ros.benchmarks.camera_feed import Camera, Turn, wait_for_node
from hma_depth_ros.benchmarks.soak.frame_account import FATES, Audit
from hma_depth_ros.benchmarks.soak.frame_fates import PATIENCE, FrameFates
from hma_depth_ros.benchmarks.soak.process_figures import busy_seconds, read_process
from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.environment import free_domain, isolated_environment
from hma_depth_ros.demo.local_node import LocalNode, local_node
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.inference.engines.model_file import read_model_info
from hma_depth_ros.ros.depth_node.outputs import output_types
from hma_depth_ros.ros.endpoint_events import SubscriptionEvents
from hma_depth_ros.ros.transport import tune_malloc, use_large_message_profile

NAMESPACE = "/soak"
_STATUS = f"{NAMESPACE}/depth_node: depth"
#: Of the diagnostics, what is reported of the node.
_SETUP = ("engine", "precision", "device", "encoder", "self-check")
#: Seconds that the node may take to convert and load its network.
_START = 300.0
#: Seconds between two looks at the process, and between two at the middleware.
_SAMPLE = 1.0
#: Output messages that wait for this process when it is held up, without being lost.
_KEPT = 20


@dataclass(frozen=True)
class SoakPlan:
    """What to run."""

    checkpoint: Path
    image_size: tuple[int, int]  #: (H, W)
    rate: float  #: images a second
    warm_up: float  #: seconds before the first minute
    seconds: float  #: from then on
    parameters: Sequence[str]  #: more of the node's, `NAME:=VALUE`
    domain: int | None  #: ROS_DOMAIN_ID; None takes a free one


@dataclass
class Soak:
    """What is found, as it grows."""

    path: Path  #: of soak.json
    about: dict[str, Any]  #: that is written with it
    setup: dict[str, str] = field(default_factory=dict)  #: engine, precision and so on of the node
    topics: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    audit: Audit = field(default_factory=Audit)
    fates: FrameFates | None = None
    end: dict[str, int] | None = None  #: of a run that came to its end: the account

    def take(self, message: DiagnosticArray) -> None:
        """Read the node's diagnostics."""
        for status in message.status:
            if status.name == _STATUS:
                self.audit.take(status)
                figures = {pair.key: pair.value for pair in status.values}
                self.setup = {key: figures[key] for key in _SETUP if key in figures}

    def content(self) -> dict[str, Any]:
        """For JSON."""
        minutes = {} if self.fates is None else self.fates.minutes
        return {
            **self.about,
            "setup": self.setup,
            "topics": self.topics,
            "minutes": [minutes[number].figures() for number in sorted(minutes)],
            "samples": self.samples,
            "account": {"messages": self.audit.messages, "faults": self.audit.faults[:20]},
            "end": self.end,
        }

    def save(self) -> None:
        """Write soak.json."""
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(self.content(), indent=1) + "\n", encoding="utf-8")


def run_soak(
    plan: SoakPlan, folder: Path, about: dict[str, Any], *, tell: Callable[[str], object]
) -> dict[str, Any]:
    """Run, and write soak.json, the node's log and ROS's.

    Args:
        plan: what to run.
        folder: for all files.
        about: what else belongs into soak.json.
        tell: is told a line each minute.

    Returns:
        What soak.json holds.

    Raises:
        HmaDepthError: the node does not start, or ends; soak.json has what was found until then.

    """
    info = read_model_info(plan.checkpoint)
    scales = info.model.reductions if info.model.attention else ()
    topics = output_types(scales, confidence=info.model.uncertainty)
    soak = Soak(folder / "soak.json", about, topics=list(topics))
    domain = free_domain() if plan.domain is None else plan.domain
    with Children(folder, isolated_environment(domain, folder / "ros")) as children:
        node = children.start("depth_node", _command(plan))
        use_large_message_profile()
        tune_malloc()
        with local_node("soak_camera", domain) as local:
            camera = Camera(
                local.node, NAMESPACE, plan.image_size, topics, listener_qos=QoSProfile(depth=_KEPT)
            )
            local.node.create_subscription(DiagnosticArray, "/diagnostics", soak.take, 50)
            wait_for_node(camera, node, local, children, seconds=_START)
            _knock(camera, soak.audit, local, children)
            try:
                _Run(plan, soak, camera, node, local, tell=tell).run(children)
            finally:
                soak.save()
    return soak.content()


def _command(plan: SoakPlan) -> list[str]:
    parameters = [f"checkpoint:={plan.checkpoint}", *plan.parameters]
    flags = [word for parameter in parameters for word in ("-p", parameter)]
    program = [sys.executable, "-m", "hma_depth_ros", "depth_node"]
    return [*program, "--ros-args", "-r", f"__ns:={NAMESPACE}", *flags]


def _knock(camera: Camera, audit: Audit, local: LocalNode, children: Children) -> None:
    """Send images until some come out and all is quiet again: then both sides know each other.

    What a best-effort publisher sends before the subscription knows of it is lost, and nobody can
    count it.
    """
    deadline = time.monotonic() + _START
    while not camera.turn.arrived:
        camera.publish()
        _wait(0.5, local)
        children.check()
        if time.monotonic() > deadline:
            raise HmaDepthError(f"nothing comes out of the node for {_START:.0f} s")
    _wait(PATIENCE, local)
    before = audit.latest
    while audit.latest is before or audit.latest is None or audit.latest.waiting:
        before = audit.latest
        _wait(0.5, local)
        children.check()


def _wait(seconds: float, local: LocalNode) -> None:
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        local.wait(left)


class _Run:
    """From the first image to the account."""

    def __init__(
        self,
        plan: SoakPlan,
        soak: Soak,
        camera: Camera,
        node: Child,
        local: LocalNode,
        *,
        tell: Callable[[str], object],
    ) -> None:
        self._plan, self._soak, self._camera = plan, soak, camera
        self._node, self._local, self._tell = node, local, tell
        begin = time.perf_counter() + plan.warm_up
        camera.turn = Turn(begin, begin + plan.seconds)
        soak.fates = self._fates = FrameFates(camera.turn, len(soak.topics))
        self._busy, self._own, self._looked = busy_seconds(), self._cpu(), time.perf_counter()
        self._before = soak.audit.latest  # what was knocked with

    def run(self, children: Children) -> None:
        camera, turn = self._camera, self._camera.turn
        period, due = 1 / self._plan.rate, time.perf_counter()
        sample, minute = due, turn.begin + 60
        with _events(camera) as events:
            while (now := time.perf_counter()) < turn.end:
                if now >= due:
                    camera.publish()
                    # Where this process was held up, images are left out: no burst.
                    due += period * (1 + int((now - due) / period))
                elif now >= minute:
                    minute += 60
                    self._fates.look(now)
                    self._soak.save()
                    self._say()
                    children.check()
                elif now >= sample:
                    sample = now + _SAMPLE
                    self._fates.look(now)
                    self._sample(now - turn.begin)
                else:
                    self._local.wait(min(due, sample, turn.end) - now)
            self._settle()
            self._account(events)

    def _cpu(self) -> float:
        """CPU seconds of node and camera."""
        return read_process(self._node.pid).cpu + time.process_time()

    def _sample(self, second: float) -> None:
        figures = read_process(self._node.pid)
        busy, own, now = busy_seconds(), figures.cpu + time.process_time(), time.perf_counter()
        passed = now - self._looked
        others = (busy - self._busy - (own - self._own)) / passed
        cpu = (own - self._own) / passed
        self._busy, self._own, self._looked = busy, own, now
        account = self._soak.audit.latest
        self._soak.samples.append(
            {
                "second": round(second, 2),
                **{name: v for name, v in asdict(figures).items() if name != "cpu"},
                "cores": round(cpu, 3),  # of node and camera
                "cores_of_others": round(max(0.0, others), 3),
                "load": round(os.getloadavg()[0], 2),
                "received": None if account is None else account.received,
                "dropped": None if account is None else account.dropped,
                "failed": None if account is None else account.failed,
                "lost": None if account is None else account.lost,
            }
        )

    def _say(self) -> None:
        done = [m.figures() for _, m in sorted(self._fates.minutes.items())]
        if done and done[-1]["p99"] is not None:
            last = done[-1]
            self._tell(
                f"minute {len(done)}: {last['sent']} sent, {last['whole']} came out, p50 "
                f"{1e3 * last['p50']:.0f} ms, p99 {1e3 * last['p99']:.0f} ms, "
                f"{self._soak.samples[-1]['resident'] / 2**20:.1f} MiB"
            )

    def _settle(self) -> None:
        """Wait for the last outputs, and for diagnostics that know of all images."""
        _wait(PATIENCE, self._local)
        self._fates.finish()

    def _account(self, events: Sequence[SubscriptionEvents]) -> None:
        account, before, fates = self._soak.audit.latest, self._before, self._fates
        assert account is not None and before is not None  # they came while it was knocked
        account = account.since(before)
        self._soak.end = {
            **{name: getattr(account, name) for name in ("received", *FATES)},
            "lost": account.lost or 0,
            "sent": fates.sent,
            "missing": account.missing(fates.sent),
            "whole": fates.whole,
            "torn": fates.torn,
            "outputs_lost": sum(event.lost() or 0 for event in events),
        }


@contextmanager
def _events(camera: Camera) -> Iterator[list[SubscriptionEvents]]:
    """What the middleware lost on its way to this process."""
    events = [SubscriptionEvents(subscription) for subscription in camera.subscriptions]
    try:
        yield events
    finally:
        for event in events:
            event.close()
