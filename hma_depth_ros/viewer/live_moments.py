"""The topics of a running depth node, frame by frame."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.messages.camera_info import camera_from_info
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, CONFIDENCE, INFO, attention_topic
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.ros.ros_session import PATIENCE, StopRequest, ros_session
from hma_depth_ros.ros.undeclared import report_ignored
from hma_depth_ros.viewer.moment import Contents, Moment

try:
    from message_filters import SimpleFilter, TimeSynchronizer
except ImportError:
    from hma_depth_ros.ros.standins import SimpleFilter, TimeSynchronizer

_IMAGE, _COMPRESSED_IMAGE = "image", "image/compressed"
#: Reductions that a network's masks may have.
_REDUCTIONS = (16, 8, 4, 2, 1)
#: Frames of which some messages are still on their way.
_QUEUE = 5
_TURN = 0.1  # seconds


@contextmanager
def live_moments(
    ros_args: Sequence[str], *, kept: bool
) -> Iterator[tuple[Contents, Iterable[Moment]]]:
    """Contents and moments of the depth node whose topics these ROS arguments name.

    Relative names are the node's own, and remapped alike. Depth comes as `compressedDepth`, and the
    cloud is made of it here, so that watching costs the node little. Ends at a signal.

    Args:
        ros_args: `--ros-args ...`.
        kept: the moments are written to a file, which after the signal gets the time that it needs.

    Raises:
        HmaDepthError: ROS does not start.

    """
    with ros_session(["view", *ros_args], patience=None if kept else PATIENCE) as stop:
        node = rclpy.create_node("depth_view", start_parameter_services=False)
        report_ignored(node, ros_args)
        try:
            watched = _Watched(node, stop)
            yield watched.contents, watched
        finally:
            node.destroy_node()


class _Watched:
    """Waits for the node's topics, subscribes to them and joins their messages by stamp."""

    def __init__(self, node: Node, stop: StopRequest) -> None:
        self._stop, self._info = stop, None
        self._frames: deque[tuple[Any, ...]] = deque(maxlen=1)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._node = node
        while not (stop.is_set() or self._offered(COMPRESSED_DEPTH)):
            self._executor.spin_once(timeout_sec=_TURN)
        raw = self._offered(_IMAGE) or not self._offered(_COMPRESSED_IMAGE)
        self._masks = [attention_topic(r) for r in _REDUCTIONS if self._offered(attention_topic(r))]
        confidence = self._offered(CONFIDENCE)
        topics = [
            (_IMAGE, Image) if raw else (_COMPRESSED_IMAGE, CompressedImage),
            (COMPRESSED_DEPTH, CompressedImage),
            *((topic, Image) for topic in self._masks),
            *([(CONFIDENCE, Image)] if confidence else []),
        ]
        qos = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
        inputs = []
        for topic, kind in topics:
            inputs.append(SimpleFilter())
            node.create_subscription(kind, topic, partial(_pass_on, inputs[-1]), qos)
        node.create_subscription(CameraInfo, INFO, self._keep_info, qos)
        self._joined = TimeSynchronizer(inputs, _QUEUE)
        self._joined.registerCallback(lambda *messages: self._frames.append(messages))
        self.contents = Contents(
            title=f"{node.get_namespace()} live",
            scales=len(self._masks),
            confidence=confidence,
            cloud=True,
        )

    def _offered(self, topic: str) -> bool:
        return self._node.count_publishers(self._node.resolve_topic_name(topic)) > 0

    def _keep_info(self, info: CameraInfo) -> None:
        self._info = info

    def __iter__(self) -> Iterator[Moment]:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=_TURN)
            if not self._frames:
                continue
            try:
                moment = self._moment(*self._frames.pop())
            except HmaDepthError as error:
                self._node.get_logger().warning(str(error), throttle_duration_sec=5.0)
            except Exception:  # one frame of anybody's must not end the view, nor go unseen
                self._node.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)
            else:
                yield moment

    def _moment(self, image: Any, compressed: Any, *weights: Any) -> Moment:
        depth = depth_array(compressed)
        camera = cloud = None
        if self._info is not None:
            height, width = depth.shape
            camera = camera_from_info(self._info, width=width, height=height)
            cloud = back_project(depth, camera)
        pixels = rgb_image(image)
        masks = [weight_array(mask) for mask in weights[: len(self._masks)]]
        confidence = [weight_array(one) for one in weights[len(self._masks) :]]
        figures = {"median depth in m": float(np.nanmedian(depth))}
        return Moment(
            stamp=header_stamp(image),
            image=pixels,
            camera=camera and camera.resize(width=pixels.shape[1], height=pixels.shape[0]),
            depth=depth,
            masks=np.stack(masks) if masks else None,
            confidence=confidence[0] if confidence else None,
            cloud=cloud,
            figures=figures,
        )


def _pass_on(joined: SimpleFilter, message: Any) -> None:
    if message.header.stamp.sec >= 0:  # the node makes nothing of others; message_filters raises
        joined.signalMessage(message)
