"""Where a camera is above the ground by tf, instead of by the parameters."""

from __future__ import annotations

import math
import threading
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from hma_depth_ros.bags.transforms import TF_STATIC_TOPIC, Transforms
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import Mount

#: Publishers of `/tf_static` each keep their own last message.
_QOS = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class GroundFrame:
    """Listens to `/tf_static` for the frame that lies on the ground, such as base_footprint."""

    def __init__(self, frame: str, transforms: Transforms | None = None) -> None:
        """Know no transform yet, or those that are given.

        Args:
            frame: with its z axis up (REP 103), on the ground.
            transforms: of the car.

        """
        self._frame = frame
        self._lock = threading.Lock()
        self._transforms = Transforms() if transforms is None else transforms
        self._mounts: dict[str, Mount] = {}  # by camera frame

    def listen(self, node: Node) -> Any:
        """Subscribe; returns the subscription, which is the caller's.

        Raises:
            HmaDepthError: tf2_msgs is not installed.

        """
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError as error:
            raise HmaDepthError(
                f"ground_frame:={self._frame} needs tf2_msgs, which is not installed: set "
                "camera_height and camera_pitch instead, and ground_frame to ''"
            ) from error
        return node.create_subscription(TFMessage, TF_STATIC_TOPIC, self.add, _QOS)

    def add(self, message: Any) -> None:
        """Take a TFMessage."""
        with self._lock:
            self._transforms.add(message)
            self._mounts.clear()

    def mount(self, camera_frame: str) -> Mount:
        """Height and pitch of a camera, of its optical frame (REP 103: z forward).

        Raises:
            HmaDepthError: no transform says where it is, or it is not above the ground.

        """
        with self._lock:
            if camera_frame not in self._mounts:
                matrix = self._transforms.lookup(self._frame, camera_frame)
                height, up = float(matrix[2, 3]), float(matrix[2, 2])
                pitch = -math.asin(min(max(up, -1.0), 1.0))
                try:
                    self._mounts[camera_frame] = Mount(height, pitch)
                except ValueError:
                    raise HmaDepthError(
                        f"by {TF_STATIC_TOPIC} {camera_frame} is {height:.2f} m above "
                        f"{self._frame}, looking {math.degrees(pitch):.0f} degrees down: is it an "
                        "optical frame, and ground_frame on the ground?"
                    ) from None
            return self._mounts[camera_frame]
