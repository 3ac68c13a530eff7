"""What topics and frames of a KITTI bag are called: every converter has names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class KittiDialect:
    """Names in the bags of one converter."""

    name: str
    camera_topics: Mapping[int, str]  #: namespace of `image_raw` and `camera_info` by camera
    camera_frames: Mapping[int, str]  #: optical frames by camera
    color_encoding: Literal["rgb8", "bgr8"]  #: of cameras 2 and 3; 0 and 1 are mono8
    lidar_topic: str
    lidar_frame: str
    intensity_field: str  #: of the LiDAR cloud
    base_frame: str
    imu_frame: str

    def image_topic(self, camera: int) -> str:
        """Topic of a camera's images."""
        return f"{self.camera_topics[camera]}/image_raw"

    def camera_info_topic(self, camera: int) -> str:
        """Topic of a camera's calibration."""
        return f"{self.camera_topics[camera]}/camera_info"


#: Ends the topic of a camera's true depth.
GROUND_TRUTH = "depth_ground_truth"

_CAMERAS = {
    0: "camera_gray_left",
    1: "camera_gray_right",
    2: "camera_color_left",
    3: "camera_color_right",
}

#: github.com/tomas789/kitti2bag, the ROS 1 converter whose names most tutorials use.
KITTI2BAG = KittiDialect(
    name="kitti2bag",
    camera_topics={camera: f"/kitti/{name}" for camera, name in _CAMERAS.items()},
    camera_frames=_CAMERAS,
    color_encoding="bgr8",
    lidar_topic="/kitti/velo/pointcloud",
    lidar_frame="velo_link",
    intensity_field="i",
    base_frame="base_link",
    imu_frame="imu_link",
)
