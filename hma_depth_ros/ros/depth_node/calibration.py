"""The camera that an image was taken by, of its CameraInfo, and what is wrong with that."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.camera_info import BadCalibrationError, camera_from_info, foreign_frame
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.depth_node.pairing import CachedPairing, Pairing

#: How long the first frame waits for the first CameraInfo, if somebody publishes one.
FIRST_INFO_SECONDS = 1.0

_CONSEQUENCE = "depth is not scaled to this camera, and no cloud is published"


class Calibration:
    """Of one camera's images, while its stream is active."""

    def __init__(
        self, node: Node, topic: str, image_topic: str, pairing: Pairing, reporter: ConditionLog
    ) -> None:
        """Know of no CameraInfo yet.

        Args:
            node: owner of the subscriptions.
            topic: full name of the CameraInfos' topic.
            image_topic: full name of the images'.
            pairing: of both.
            reporter: is told what is wrong.

        """
        self._node, self._topic, self._image_topic = node, topic, image_topic
        self._pairing, self._reporter = pairing, reporter
        self._first_awaited = False

    def of(
        self, image: Any, info: CameraInfo | None, size: tuple[int, int]
    ) -> tuple[CameraInfo | None, PinholeCamera | None]:
        """CameraInfo and camera of an image; both None, with a warning, if unusable.

        Args:
            image: the message.
            info: its CameraInfo, None if none had come when it arrived.
            size: (H, W) of the image.

        """
        if info is None:
            info = self._late()
        if info is None:
            self._reporter.problem(self._topic, f"no camera_info has arrived: {_CONSEQUENCE}")
            return None, None
        try:
            camera = camera_from_info(info, width=size[1], height=size[0])
        except BadCalibrationError as error:
            self._reporter.problem(self._topic, f"{error}: {_CONSEQUENCE}")
            return None, None
        if problem := foreign_frame(info, image, self._image_topic):
            self._reporter.problem(self._topic, problem)
        else:
            self._reporter.solved(self._topic)
        return info, camera

    def _late(self) -> CameraInfo | None:
        """What has come since the image did; the very first is waited for."""
        if not isinstance(self._pairing, CachedPairing):
            return None
        # Both topics have just begun: an unscaled first depth image would be a wrong one.
        wait = not self._first_awaited and self._node.count_publishers(self._topic) > 0
        info = self._pairing.wait_for_info(FIRST_INFO_SECONDS if wait else 0)
        self._first_awaited |= wait
        return info
