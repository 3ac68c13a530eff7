"""The depth node's real process, and in this one all that surrounds it: what the fault tests share.

Every message of the diagnostics is audited, whatever a test is about.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from hma_depth_ros.benchmarks.soak.frame_account import Audit, FrameAccount
from hma_depth_ros.benchmarks.soak.process_figures import ProcessFigures, read_process
from hma_depth_ros.demo.environment import isolated_environment

#: Of the node's tests: messages, the thread that serves a node, waiting.
graph: Any = importlib.import_module("node.graph")

DEADLINE: float = 3 * graph.DEADLINE
REPOSITORY = Path(__file__).resolve().parent.parent.parent

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"

_numbers = itertools.count(1)


def environment() -> dict[str, str]:
    """Of every process, on the package that is under test."""
    logs = os.environ.get("ROS_LOG_DIR", "/tmp")
    return isolated_environment(int(os.environ["ROS_DOMAIN_ID"]), Path(logs)) | {
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
    }


def started(command: Sequence[object], **options: Any) -> subprocess.Popen[str]:
    """Start a Python process: a script or `-m MODULE`, with its arguments.

    As from a terminal: a shell lets what it starts in the background ignore SIGINT, and the tests
    may be such. Until it has come to the package's code, a process would go on doing so.
    """
    words = [sys.executable, *map(str, command)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(words, text=True, env=environment(), **options)
    finally:
        signal.signal(signal.SIGINT, before)


class FaultBench:
    """One node's process; the tester's topics are in the same namespace."""

    def __init__(self, context: Context, checkpoint: Path, folder: Path, **values: Any) -> None:
        """Start both.

        Args:
            context: of rclpy, of the tester.
            checkpoint: that the node loads.
            folder: for its log and the file that says which fault there is.
            values: parameters of the node.

        """
        self.namespace = f"/fault_{os.getpid()}_{next(_numbers)}"
        self.faults = folder / "faults.json"
        self.order()
        self._log = folder / "node.log"
        parameters = {
            "checkpoint": checkpoint,
            "device": "cpu",
            "engine": "torch",
            "precision": "bf16",  # so that there is an fp32 to fall back to
            "self_check": "false",
            "diagnostics_period": 0.05,
            "stale_after": 0.0,  # tests publish single images
            "warn_dropped": 1.0,  # and floods
            **values,
        }
        flags = [word for n, v in parameters.items() for word in ("-p", f"{n}:={v}")]
        script = Path(__file__).with_name("failing_node.py")
        with self._log.open("w") as output:
            self.process = started(
                [script, self.faults, "--ros-args", "-r", f"__ns:={self.namespace}", *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.audit = Audit()
        self.statuses: list[DiagnosticStatus] = []
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.tester = Node(
            "tester", context=context, namespace=self.namespace, use_global_arguments=False
        )
        self.tester.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, graph.DEEP
        )
        self.images = self.tester.create_publisher(Image, "image", graph.DEEP)
        self.infos = self.tester.create_publisher(CameraInfo, "camera_info", graph.DEEP)
        self._clients: dict[str, Any] = {}
        self._spinner = graph.Spinner(self.tester)
        self._stamps = itertools.count(1)

    def close(self) -> None:
        """End both; the node's end is one by SIGINT, with status 0."""
        try:
            self.process.send_signal(signal.SIGINT)  # which is nothing to one that has ended
            assert self.process.wait(DEADLINE) == 0, self.log()[-4000:]
        finally:
            self.process.kill()
            self.process.wait()
            self._spinner.stop()
            self.tester.destroy_node()
        assert self.audit.faults == []

    # --- waiting ---

    def log(self) -> str:
        """All that the node has said."""
        return self._log.read_text(errors="replace")

    def until(self, condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
        """Wait until `condition()` is true, as long as the node lives."""

        def lives() -> Any:
            assert self.process.poll() is None, f"it has ended: {self.log()[-4000:]}"
            return condition()

        try:
            return graph.until(lives, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; its log: {self.log()[-3000:]}") from error

    def hears(self, words: str) -> None:
        """Wait for words in the log."""
        self.until(lambda: words in self.log(), f"'{words}' in the log")

    # --- what the node says ---

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f"{self.namespace}/depth_node: depth":
                self.audit.take(status)
                self.statuses.append(status)

    def status(self) -> DiagnosticStatus:
        """A message of the diagnostics that was made after this call."""
        seen = len(self.statuses)
        self.until(lambda: len(self.statuses) > seen + 1, "diagnostics")
        return self.statuses[-1]

    def recovers(self) -> None:
        """Wait until images pass and nothing is wrong; a silence between the two may be."""
        self.until(
            lambda: self.passes() and self.status().level == OK, "diagnostics without a problem"
        )

    def figures(self) -> dict[str, str]:
        """Keys and values of such a message."""
        return {pair.key: pair.value for pair in self.status().values}

    @property
    def account(self) -> FrameAccount:
        """Of the latest message."""
        assert self.audit.latest is not None
        return self.audit.latest

    def quiet(self) -> FrameAccount:
        """The account once no image waits and none comes any more."""

        def settled() -> FrameAccount | None:
            accounts = []
            for _ in range(2):
                self.status()
                accounts.append(self.account)
            same = accounts[0] == accounts[1] and not accounts[1].waiting
            return accounts[1] if same else None

        account: FrameAccount = self.until(settled, "the end of all images")
        return account

    def resources(self) -> ProcessFigures:
        """What the process holds."""
        return read_process(self.process.pid)

    # --- input and output ---

    def listen(self, *topics: str) -> None:
        """Subscribe to outputs."""
        for topic in topics:
            self.tester.create_subscription(
                graph.TYPES[topic], topic, self.received[topic].append, graph.DEEP
            )

    def hear(self, *topics: str) -> None:
        """Listen to outputs, until something has come of each."""
        self.listen(*topics)
        self.until(
            lambda: self.passes() and all(self.received[topic] for topic in topics),
            f"one of each of {topics}",
        )

    def connect(self) -> None:
        """Wait until the node is active and both know each other: an image passes, calibrated."""
        self.until(self.images.get_subscription_count, "the node's subscription", 5 * DEADLINE)
        self.until(self.infos.get_subscription_count, "its second one")

        def calibrated() -> bool:
            self.infos.publish(graph.info_message())  # the node may not know of the publisher yet
            self.passes()
            return "uncalibrated" not in self.figures()["modes"]

        self.until(calibrated, "a calibration that arrives")

    def next_stamp(self) -> float:
        """That no image had before."""
        return next(self._stamps)

    def send(self, image: Image | None = None) -> float:
        """Publish an image under a new stamp, which is returned."""
        message = graph.rgb_message() if image is None else image
        number = self.next_stamp()
        message.header.stamp = graph.stamp(number)
        self.images.publish(message)
        return number

    def passes(self, image: Image | None = None) -> Image:
        """Send images until one comes out as depth; that."""
        sent: set[tuple[int, int]] = set()
        depth, again = self.received["depth/image"], [0.0]
        self._listens_to_depth()

        def out() -> Any:
            for message in list(depth):
                stamp = message.header.stamp
                if (stamp.sec, stamp.nanosec) in sent:
                    return message
            if time.monotonic() > again[0]:
                again[0] = time.monotonic() + 0.5
                sent.add((int(self.send(image)), 0))
            return None

        return self.until(out, "a depth image")

    def _listens_to_depth(self) -> None:
        topics = {
            s.topic_name.rpartition(f"{self.namespace}/")[2] for s in self.tester.subscriptions
        }
        if "depth/image" not in topics:
            self.listen("depth/image")

    @contextmanager
    def camera(self, hertz: float) -> Iterator[list[float]]:
        """A camera that sends all the time; the stamps of what it has sent."""
        sent: list[float] = []
        end = threading.Event()

        def publish() -> None:
            due = time.monotonic()
            while not end.wait(max(0.0, due - time.monotonic())):
                sent.append(self.send())
                due = max(due + 1 / hertz, time.monotonic() - 1 / hertz)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield sent
        finally:
            end.set()
            thread.join()

    # --- faults, services ---

    def fault(self, fault: str = "", **order: Any) -> None:
        """Have the engines fail so from the next image on; without arguments they work."""
        self.quiet()  # no image that was sent before is to meet the fault
        self.order(fault, **order)

    def order(self, fault: str = "", **order: Any) -> None:
        """As `fault`, at once; engines that hang go on."""
        new = self.faults.with_suffix(".new")
        new.write_text(json.dumps({"fault": fault, "number": next(_numbers), **order}))
        new.replace(self.faults)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call one of the node's services."""
        future = self.client(kind, service).call_async(request)
        self.until(future.done, f"the answer of {service}")
        return future.result()

    def client(self, kind: Any, service: str) -> Any:
        """Of one of the node's services; both know of each other, or the answer would be lost."""
        if service not in self._clients:
            name = f"{self.namespace}/depth_node/{service}"
            client = self._clients[service] = self.tester.create_client(kind, name)
            self.until(client.service_is_ready, name)
            self._await_being_known()
        return self._clients[service]

    def _await_being_known(self) -> None:
        """Wait until the node knows of what the tester has made: the last of it is answered."""
        name = f"{self.namespace}/depth_node/get_state"
        client = self.tester.create_client(GetState, name)
        self.until(client.service_is_ready, name)

        def answered() -> bool:
            future = client.call_async(GetState.Request())
            with suppress(AssertionError):
                graph.until(future.done, "the answer", 2.0)
            return bool(future.done())

        self.until(answered, "an answer")
        self.tester.destroy_client(client)

    def state(self) -> str:
        """State of the life cycle."""
        label: str = self.call(GetState, "get_state", GetState.Request()).current_state.label
        return label

    def change(self, transition: str) -> bool:
        """Request a transition of the life cycle by its label."""
        request = ChangeState.Request()
        request.transition.label = transition
        return bool(self.call(ChangeState, "change_state", request).success)

    def set(self, name: str, value: Any) -> Any:
        """Set one parameter; the result."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.call(SetParameters, "set_parameters", request).results[0]
