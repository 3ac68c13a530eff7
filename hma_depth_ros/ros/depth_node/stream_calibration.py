"""The camera that an image was taken by, of its CameraInfo, and what is wrong with that."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.camera_info import BadCalibrationError, camera_from_info, foreign_frame
from hma_depth_ros.ros.condition_log import ConditionLog

_CONSEQUENCE = "depth is not scaled to this camera, and no cloud is published"


class StreamCalibration:
    """Of one camera's images, while its stream is active."""

    def __init__(self, topic: str, image_topic: str, reporter: ConditionLog) -> None:
        """Begin.

        Args:
            topic: full name of the CameraInfos' topic.
            image_topic: full name of the images'.
            reporter: is told what is wrong.

        """
        self._topic, self._image_topic, self._reporter = topic, image_topic, reporter
        self.usable: bool | None = None  #: of the latest image; None before the first

    def of(
        self, image: Any, info: CameraInfo | None, size: tuple[int, int]
    ) -> PinholeCamera | None:
        """Camera of an image; None, with a warning, if there is none that can be used.

        Args:
            image: the message.
            info: its CameraInfo, None if none has come.
            size: (H, W) of the image.

        """
        self.usable = False
        if info is None:
            self._reporter.problem(self._topic, f"no camera_info has arrived: {_CONSEQUENCE}")
            return None
        try:
            camera = camera_from_info(info, width=size[1], height=size[0])
        except BadCalibrationError as error:
            self._reporter.problem(self._topic, f"{error}: {_CONSEQUENCE}")
            return None
        self.usable = True
        if problem := foreign_frame(info, image, self._image_topic):
            self._reporter.problem(self._topic, problem)
        else:
            self._reporter.solved(self._topic)
        return camera
