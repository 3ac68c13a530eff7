"""Cameras that publish images at the same time, and listen to what their nodes make of them."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from hma_depth_ros.benchmarks.predictor_speed import camera_of, street
from hma_depth_ros.demo.children import Child, Children
from hma_depth_ros.demo.local_node import LocalNode
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.cv_bridge_images import image_message
from hma_depth_ros.ros.topic_qos import output_qos

#: Seconds at the beginning of each turn that are not counted.
_WARM_UP = 1.0
#: Seconds after each turn, for the last frames' outputs.
_QUIET = 1.0
#: Stamp of a serialised message that begins with a header, after the four bytes of CDR itself.
_STAMP = struct.Struct("<iI")
_STAMP_OFFSET = 4


@dataclass
class Turn:
    """One stretch of time in which a camera was on; times of `time.perf_counter()`."""

    begin: float  #: of what counts
    end: float
    sent: dict[int, float] = field(default_factory=dict)  #: by stamp
    #: Topic, stamp, when.
    arrived: list[tuple[str, int, float]] = field(default_factory=list)


class Camera:
    """Publishes images to one depth node, and notes when its outputs arrive."""

    def __init__(
        self,
        node: Node,
        namespace: str,
        image_size: tuple[int, int],
        topics: Mapping[str, Any],
        *,
        listener_qos: QoSProfile | None = None,
    ) -> None:
        """Advertise and subscribe.

        Args:
            node: owner of publishers and subscriptions.
            namespace: of the depth node.
            image_size: (H, W).
            topics: types of the outputs that are listened to, by name in that namespace.
            listener_qos: of these subscriptions; by default what the outputs are published with.

        """
        self.turn = Turn(0.0, 0.0)  #: the present one, or the last
        self.sizes: dict[str, int] = {}  #: bytes of the last message of each topic
        self._node = node
        self._image = image_message(Header(), street(image_size), "rgb8")
        self._info = _camera_info(image_size)
        self._image_publisher = node.create_publisher(
            Image, f"{namespace}/image", qos_profile_sensor_data
        )
        self._info_publisher = node.create_publisher(
            CameraInfo, f"{namespace}/camera_info", qos_profile_sensor_data
        )
        self._outputs = [f"{namespace}/{topic}" for topic in topics]
        qos = output_qos() if listener_qos is None else listener_qos
        self.subscriptions = [
            node.create_subscription(
                kind, f"{namespace}/{topic}", partial(self._take, topic), qos, raw=True
            )
            for topic, kind in topics.items()
        ]

    @property
    def connected(self) -> bool:
        """Whether the depth node has subscribed and advertised."""
        inputs = (self._image_publisher, self._info_publisher)
        return all(publisher.get_subscription_count() for publisher in inputs) and all(
            self._node.count_publishers(topic) for topic in self._outputs
        )

    def publish(self) -> None:
        """Send an image, stamped with the time that it is."""
        stamp = self._node.get_clock().now()
        self._info.header.stamp = self._image.header.stamp = stamp.to_msg()
        self._info_publisher.publish(self._info)
        self.turn.sent[stamp.nanoseconds] = time.perf_counter()
        self._image_publisher.publish(self._image)

    def _take(self, topic: str, raw: bytes) -> None:
        seconds, nanoseconds = _STAMP.unpack_from(raw, _STAMP_OFFSET)
        stamp = seconds * 1_000_000_000 + nanoseconds
        self.turn.arrived.append((topic, stamp, time.perf_counter()))
        self.sizes[topic] = len(raw)


def feed(cameras: Sequence[Camera], local: LocalNode, *, rate: float, seconds: float) -> list[Turn]:
    """Let cameras publish for one turn, and take what comes out.

    All have the same rate; their images are spread evenly over the period, as those of cameras that
    nothing synchronises are on average.

    Args:
        cameras: those that are on.
        local: their node.
        rate: images a second of each camera.
        seconds: that count; a bit more before and after them does not.

    Returns:
        Each camera's turn.

    """
    start, period = time.perf_counter(), 1 / rate
    begin = start + _WARM_UP
    end = begin + seconds
    for camera in cameras:
        camera.turn = Turn(begin, end)
    due = [start + period * index / len(cameras) for index in range(len(cameras))]
    while (now := time.perf_counter()) < end:
        index = due.index(min(due))
        if now < due[index]:
            local.wait(min(due[index], end) - now)
            continue
        cameras[index].publish()
        # Where this process was held up, images are left out: no burst, and the spread stays.
        due[index] += period * (1 + int((now - due[index]) / period))
    quiet = time.perf_counter() + _QUIET
    while time.perf_counter() < quiet:
        local.wait(0.1)
    return [camera.turn for camera in cameras]


def _camera_info(size: tuple[int, int]) -> CameraInfo:
    camera = camera_of(size)
    info = CameraInfo(width=camera.width, height=camera.height)
    info.p = [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return info


def wait_for_node(
    camera: Camera, node: Child, local: LocalNode, children: Children, *, seconds: float
) -> None:
    """Wait until the camera's depth node subscribes to it and publishes.

    Raises:
        HmaDepthError: it does not in that time, says an error, or a process ends.

    """
    deadline = time.monotonic() + seconds
    while not camera.connected:
        children.check()
        if time.monotonic() > deadline or node.has_said("[ERROR]"):
            raise HmaDepthError(f"the node does not get ready; {node.quotation()}")
        local.wait(0.1)
