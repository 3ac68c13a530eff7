"""A depth node and what surrounds it in a ROS graph: publishers, listeners, service clients.

Each bench has a namespace of its own, so that benches may share a DDS domain. Tests wait for
conditions, never for time to pass.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import numpy.typing as npt
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log, SetParametersResult
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.spin import make_executor
from hma_depth_ros.ros.transport import use_large_message_profile

T = TypeVar("T")

#: Seconds after which a condition counts as never to come. They hold within milliseconds, but a
#: loaded machine may take its time.
DEADLINE = 40.0

#: Deep enough that no test loses a message on its own side.
DEEP = QoSProfile(depth=2500)

#: What is said before the bench listens counts, too.
ROSOUT = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)

WIDTH, HEIGHT = 61, 37  # odd, and no multiple of anything
CAMERA = PinholeCamera(fx=58.5, fy=57.25, cx=29.5, cy=18.75, width=WIDTH, height=HEIGHT)

TYPES = {
    "depth/image": Image,
    "depth/image/compressedDepth": CompressedImage,
    "depth/camera_info": CameraInfo,
    "points": PointCloud2,
    "attention/scale_8": Image,
    "attention/scale_4": Image,
    "attention/scale_2": Image,
    "attention/scale_1": Image,
    "depth/color": Image,
    "attention/color": Image,
}
#: Of networks that estimate their error.
OPTIONAL_TYPES = {"confidence": Image}
MASKS = [topic for topic in TYPES if topic.startswith("attention/scale")]

_numbers = itertools.count(1)


@contextmanager
def initialised() -> Iterator[Context]:
    """A context of rclpy whose participants move large messages."""
    context = Context()
    with mock.patch.dict(os.environ):
        use_large_message_profile()
        rclpy.init(context=context)
        # Fast DDS reads its profile when the process makes its first participant.
        Node("first", context=context).destroy_node()
    yield context
    rclpy.shutdown(context=context)


def until(condition: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """Wait until `condition()` is true and return it."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
    return result


def start_stand_in(way: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start stand_in_node.py on the package that is under test."""
    script = Path(__file__).with_name("stand_in_node.py")
    return subprocess.Popen(
        [sys.executable, str(script), way, *map(str, arguments)],
        text=True,
        env={**os.environ, "PYTHONPATH": str(script.parent.parent.parent)},
        **options,
    )


# --- messages ---------------------------------------------------------------------------------


def stamp(number: float) -> Time:
    """Stamp of so many seconds."""
    return Time(sec=int(number // 1), nanosec=round(number % 1 * 1e9))


def header(number: float = 1) -> Header:
    return Header(stamp=stamp(number), frame_id="camera_optical")


def noise(height: int = HEIGHT, width: int = WIDTH, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """RGB picture (H, W, 3) without two equal channels."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def image_message(
    pixels: npt.NDArray[Any], encoding: str, *, padding: int = 0, number: float = 1
) -> Image:
    """Image of (H, W) or (H, W, C), with `padding` bytes of rubbish at the end of each row."""
    height, width = pixels.shape[:2]
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    rubbish = np.full((height, padding), 0xA5, np.uint8)
    return Image(
        header=header(number),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=pixels.dtype.byteorder == ">",
        step=rows.shape[1] + padding,
        data=array("B", np.hstack([rows, rubbish]).tobytes()),
    )


def rgb_message(number: float = 1, *, seed: int = 0) -> Image:
    """Picture of the usual size."""
    return image_message(noise(seed=seed), "rgb8", number=number)


def info_message(camera: PinholeCamera = CAMERA, *, number: float = 1) -> CameraInfo:
    """Calibration whose K, as in a raw image, is another camera than its P."""
    return CameraInfo(
        header=header(number),
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[-0.3, 0.1, 0.0, 0.0, 0.0],
        k=[1.5 * camera.fx, 0, camera.cx + 1, 0, 1.5 * camera.fy, camera.cy - 2, 0, 0, 1],
        r=np.eye(3).ravel(),
        # A right camera of a stereo pair: P's fourth column is not zero.
        p=[camera.fx, 0, camera.cx, -31.5, 0, camera.fy, camera.cy, 0.25, 0, 0, 1, 0.002],
    )


def pixels_of(message: Image) -> npt.NDArray[Any]:
    """Array of a published image."""
    kind, channels = {"32FC1": ("<f4", 1), "16UC1": ("<u2", 1), "rgb8": ("u1", 3)}[message.encoding]
    assert not message.is_bigendian
    assert message.step == message.width * channels * np.dtype(kind).itemsize
    shape = (message.height, message.width, channels)[: 2 if channels == 1 else 3]
    return np.frombuffer(message.data, kind).reshape(shape)


def cloud_of(message: PointCloud2) -> npt.NDArray[Any]:
    """Structured array (H, W) of a cloud, as sensor_msgs_py.point_cloud2.read_points makes it."""
    assert all((field.datatype, field.count) == (7, 1) for field in message.fields)  # FLOAT32
    kind = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": ["<f4"] * len(message.fields),
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    assert message.row_step == message.point_step * message.width
    assert len(message.data) == message.row_step * message.height
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def points_of(message: PointCloud2) -> npt.NDArray[np.float32]:
    """Points (H, W, 3)."""
    cloud = cloud_of(message)
    return np.stack([cloud[axis] for axis in "xyz"], axis=-1)


def colors_of(message: PointCloud2) -> npt.NDArray[np.uint8]:
    """Colours (H, W, 3), RGB, as RViz and PCL unpack them."""
    packed = np.ascontiguousarray(cloud_of(message)["rgb"]).view("<u4")
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], -1).astype(np.uint8)


# --- the graph --------------------------------------------------------------------------------


class Spinner:
    """Serves a node on a thread of its own, as the executable does."""

    def __init__(self, node: Node) -> None:
        self.error: BaseException | None = None
        self._executor = make_executor(node.context)
        self._executor.add_node(node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"spin {node.get_name()}")
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._executor.spin_once(timeout_sec=0.2)
        except BaseException as error:  # a callback's exception ends the executable
            self.error = error

    def stop(self) -> None:
        """End the thread; raise what a callback raised."""
        self._executor.create_task(self._stop.set)  # not wake(): the turn would go on to its end
        self._thread.join()
        self._executor.shutdown()
        if self.error is not None:
            raise self.error


class Bench:
    """One depth node, publishers of its inputs, and a record of all that it says."""

    node_class: type[DepthNode] = DepthNode

    def __init__(
        self,
        context: Context,
        parameters: Mapping[str, Any],
        *,
        arguments: Sequence[str] = (),
        publish: bool = True,
        publish_info: bool = True,
    ) -> None:
        """Start the node.

        Args:
            context: of rclpy.
            parameters: of the node; `{ns}` in a name is the bench's namespace.
            arguments: what follows `--ros-args` on the command line.
            publish: whether there are publishers of `image` and `camera_info`.
            publish_info: whether there is one of `camera_info`.

        """
        number = next(_numbers)
        self.name, self.namespace = f"depth_{number}", f"/bench_{number}"
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.logs: list[Log] = []
        self.statuses: list[DiagnosticStatus] = []
        self.tester = Node(
            "tester", context=context, namespace=self.namespace, use_global_arguments=False
        )
        self.tester.create_subscription(Log, "/rosout", self._on_log, ROSOUT)
        self.tester.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self._spinners = [Spinner(self.tester)]
        # Any: tests look at its inner state to know when a message has got there.
        self.node: Any = self.node_class(
            self.name,
            context=context,
            namespace=self.namespace,
            use_global_arguments=False,
            cli_args=["--ros-args", *arguments] if arguments else None,
            parameter_overrides=[
                Parameter(name.replace("{ns}", self.namespace), value=value)
                for name, value in parameters.items()
            ],
        )
        self._spinners.append(Spinner(self.node))
        compressed = parameters.get("image_transport") == "compressed"
        self.image_publisher: Any = None
        self.info_publisher: Any = None
        if publish:
            kind, topic = (CompressedImage, "image/compressed") if compressed else (Image, "image")
            self.image_publisher = self.tester.create_publisher(kind, topic, DEEP)
        if publish and publish_info:
            self.info_publisher = self.tester.create_publisher(CameraInfo, "camera_info", DEEP)
        self._clients: dict[str, Any] = {}
        if self.state() == "active":
            self.connect()

    def close(self) -> None:
        """Destroy everything; raise what a callback raised."""
        for spinner in reversed(self._spinners):
            spinner.stop()
        self.node.destroy_node()
        self.tester.destroy_node()

    def _on_log(self, log: Log) -> None:
        if log.name == f"{self.namespace[1:]}.{self.name}":
            self.logs.append(log)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses += [
            s for s in message.status if s.name.startswith(f"{self.namespace}/{self.name}: depth")
        ]

    @property
    def camera(self) -> Any:
        """The node's camera; its inner state, likewise."""
        return self.node.cameras[0]

    # --- input ---

    def connect(self) -> None:
        """Wait until the publishers have found the node's subscriptions, and it them."""
        for publisher in (self.image_publisher, self.info_publisher):
            if publisher is not None:
                topic = publisher.topic_name
                until(publisher.get_subscription_count, f"subscription of {topic}")
                until(lambda t=topic: self.node.count_publishers(t), f"publisher of {topic}")  # type: ignore[misc]

    def publish(self, *messages: Any) -> None:
        """Publish images and camera_infos."""
        for message in messages:
            is_info = isinstance(message, CameraInfo)
            (self.info_publisher if is_info else self.image_publisher).publish(message)

    # --- output ---

    def listen(self, *topics: str) -> None:
        """Subscribe to outputs, and wait until the node knows."""
        types = TYPES | OPTIONAL_TYPES
        for topic in topics:
            self.tester.create_subscription(types[topic], topic, self.received[topic].append, DEEP)
        self.wait_for_listeners(*topics)

    def wait_for_listeners(self, *topics: str) -> None:
        """Wait until the node's publishers have their subscribers."""
        for topic in topics:
            publisher = self.camera.outputs.publishers[topic]
            until(publisher.get_subscription_count, f"listener of {topic}")

    def count(self, topic: str) -> int:
        """Messages received."""
        return len(self.received[topic])

    def last(self, topic: str, number: float) -> Any:
        """Wait for the output that belongs to the image of that stamp."""

        def found() -> Any:
            wanted = stamp(number)
            return next((m for m in self.received[topic] if m.header.stamp == wanted), None)

        return until(found, f"{topic} of stamp {number}; the node says: {self.said()}")

    def infer(self, image: Any, info: CameraInfo | None = None) -> dict[str, Any]:
        """Publish one frame, and return the outputs that came of it by topic.

        The calibration goes first, and waits at the node for its image.
        """
        if info is not None:
            seen = self.camera.input.pairing
            self.publish(info)
            until(lambda: _knows(seen, info), "camera_info at the node")
        self.publish(image)
        number = image.header.stamp.sec + image.header.stamp.nanosec / 1e9
        return {topic: self.last(topic, number) for topic in list(self.received)}

    # --- what the node says ---

    def said(self, level: bytes | int = Log.WARN) -> list[str]:
        """Log messages from that level on."""
        least = level[0] if isinstance(level, bytes) else level
        return [log.msg for log in list(self.logs) if log.level >= least]

    def hears(self, text: str, level: bytes | int = Log.WARN) -> str:
        """Wait for a log message that contains `text`."""
        return until(
            lambda: next((m for m in self.said(level) if text in m), ""), f"'{text}' in the log"
        )

    def status(self) -> DiagnosticStatus:
        """The next diagnostics to be published from now on."""
        seen = len(self.statuses)
        # The one after next: the next may have been on its way before.
        until(lambda: len(self.statuses) > seen + 1, "diagnostics")
        return self.statuses[-1]

    def figures(self) -> dict[str, str]:
        """Keys and values of the next diagnostics."""
        return {pair.key: pair.value for pair in self.status().values}

    # --- services ---

    def client(self, kind: Any, service: str) -> Any:
        """Of one of the node's services; both know of each other, or the answer would be lost."""
        if service not in self._clients:
            name = f"{self.namespace}/{self.name}/{service}"
            client = self._clients[service] = self.tester.create_client(kind, name)
            until(client.service_is_ready, name)
            until(lambda: self.node.count_clients(name), f"client of {name}")
        return self._clients[service]

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call one of the node's services."""
        future = self.client(kind, service).call_async(request)
        until(future.done, f"answer of {service}")
        return future.result()

    def state(self) -> str:
        """State of the life cycle."""
        return self.call(GetState, "get_state", GetState.Request()).current_state.label

    def change(self, transition: str) -> bool:
        """Request a transition of the life cycle by its label."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self.call(ChangeState, "change_state", request).success

    def set(self, **values: Any) -> SetParametersResult:
        """Set parameters one by one; the first failure or the last success."""
        messages = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        answer = self.call(
            SetParameters, "set_parameters", SetParameters.Request(parameters=messages)
        )
        return next((r for r in answer.results if not r.successful), answer.results[-1])


def _knows(pairing: Any, info: CameraInfo) -> bool:
    """Whether a calibration has reached the pairing: cached, or waiting for its image."""
    if hasattr(pairing, "_info"):
        return pairing._info == info
    stamp = info.header.stamp
    return pairing._latest_stamp >= (stamp.sec, stamp.nanosec)


def write_yaml(path: Path, text: str) -> str:
    """Write a parameter file; return its path."""
    path.write_text(text, encoding="utf-8")
    return str(path)
