"""What topics and frames of a KITTI bag are called: every converter has names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

#: How a bag keeps the images of a drive.
ImageFormat = Literal["raw", "png", "jpeg"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

#: Ends the topic of a camera's true depth.
GROUND_TRUTH = "depth_ground_truth"


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
    imu_topic: str
    gps_topic: str
    base_frame: str
    imu_frame: str
    odometry_image: str = "image_raw"  #: name of the images of odometry sequences

    def image_topic(self, camera: int, *, odometry: bool = False) -> str:
        """Topic of a camera's images."""
        name = self.odometry_image if odometry else "image_raw"
        return f"{self.camera_topics[camera]}/{name}"

    def camera_info_topic(self, camera: int) -> str:
        """Topic of a camera's calibration."""
        return f"{self.camera_topics[camera]}/camera_info"

    def ground_truth_topic(self, camera: int) -> str:
        """Topic of a camera's true depth; a name of our own, which no converter has."""
        return f"{self.camera_topics[camera]}/{GROUND_TRUTH}"


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
    imu_topic="/kitti/oxts/imu",
    gps_topic="/kitti/oxts/gps/fix",
    base_frame="base_link",
    imu_frame="imu_link",
    odometry_image="image_rect",
)

#: kitti2mcap of PyPI, which writes no GPS.
KITTI2MCAP = KittiDialect(
    name="kitti2mcap",
    camera_topics=KITTI2BAG.camera_topics,
    camera_frames=_CAMERAS,
    color_encoding="rgb8",
    lidar_topic="/kitti/velodyne_points",
    lidar_frame="velodyne",
    intensity_field="intensity",
    imu_topic="/kitti/imu",
    gps_topic="/kitti/gps/fix",
    base_frame="base_link",
    imu_frame="imu",
)

#: github.com/Chris7462/kitti_to_ros2bag.
KITTI_TO_ROS2BAG = KittiDialect(
    name="kitti_to_ros2bag",
    camera_topics={
        0: "/kitti/camera/gray/left",
        1: "/kitti/camera/gray/right",
        2: "/kitti/camera/color/left",
        3: "/kitti/camera/color/right",
    },
    camera_frames={camera: f"cam{camera}_link" for camera in _CAMERAS},
    color_encoding="bgr8",
    lidar_topic="/kitti/velo",
    lidar_frame="velo_link",
    intensity_field="intensity",
    imu_topic="/kitti/oxts/imu",
    gps_topic="/kitti/oxts/gps/fix",
    base_frame="base_link",
    imu_frame="oxts_link",
)

#: Those that are known, by name.
DIALECTS = {dialect.name: dialect for dialect in (KITTI2BAG, KITTI2MCAP, KITTI_TO_ROS2BAG)}
