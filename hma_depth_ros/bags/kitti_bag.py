"""A KITTI raw drive as a rosbag2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.bag_writer import BagWriter
from hma_depth_ros.bags.cloud_messages import cloud_message
from hma_depth_ros.bags.image_messages import image_message
from hma_depth_ros.bags.kitti_dialect import KITTI2BAG, KittiDialect
from hma_depth_ros.bags.message_types import (
    CAMERA_INFO,
    IMAGE,
    POINT_CLOUD,
    TF_MESSAGE,
    message,
)
from hma_depth_ros.bags.qos import offered_qos
from hma_depth_ros.bags.transforms import TF_STATIC_TOPIC, transform_message
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.kitti_calibration import KittiCalibration, rigid_transform
from hma_depth_ros.data.kitti_drive import KittiDrive, SensorStream, load_velodyne
from hma_depth_ros.errors import HmaDepthError

Matrix = npt.NDArray[np.float64]

#: The left camera of each stereo pair, which the right one's Tx refers to.
_LEFT_CAMERA = {0: 0, 1: 0, 2: 2, 3: 2}
_GREY_CAMERAS = (0, 1)

#: IMU in the car: over the rear axle's middle, half a wheelbase and 5 cm behind the car's middle,
#: 32 cm to the left and 93 cm above the ground (IJRR 2013, fig. 3; kitti2bag has the same numbers).
_BASE_TO_IMU = rigid_transform(np.eye(3), np.array([-2.71 / 2 - 0.05, 0.32, 0.93]))


def write_kitti_bag(
    drive: KittiDrive,
    out: Path,
    *,
    cameras: Sequence[int] | None = None,
    dialect: KittiDialect = KITTI2BAG,
) -> dict[str, int]:
    """Write images, calibration, LiDAR and static transforms of a drive.

    Only what is there is written: a partial drive gives a bag with gaps. Every message has the
    sensor's own stamp to the nanosecond, and lies at that time in the bag.

    Args:
        drive: drive to convert.
        out: folder of the new bag.
        cameras: numbers of the cameras; all that have images by default.
        dialect: names of topics and frames.

    Returns:
        Number of messages by topic.

    Raises:
        HmaDepthError: a file of the drive is damaged, or `out` exists or cannot be written.

    """
    cameras = tuple(drive.cameras if cameras is None else cameras)
    for camera in cameras:
        if camera not in drive.cameras:
            has = ", ".join(map(str, drive.cameras))
            raise HmaDepthError(f"{drive.folder} has no images of camera {camera}, only of {has}")
    with BagWriter(out) as bag:
        bag.add_topic(TF_STATIC_TOPIC, TF_MESSAGE, qos=offered_qos(depth=1, transient_local=True))
        for camera in cameras:
            bag.add_topic(dialect.image_topic(camera), IMAGE)
            bag.add_topic(dialect.camera_info_topic(camera), CAMERA_INFO)
        if drive.velodyne.files:
            bag.add_topic(dialect.lidar_topic, POINT_CLOUD)
        for topic, stamp, content in _messages(drive, cameras, dialect):
            bag.write(topic, stamp, content)
        return bag.counts


def _messages(
    drive: KittiDrive, cameras: Sequence[int], dialect: KittiDialect
) -> Iterator[tuple[str, int, Any]]:
    """Topic, stamp and message of everything, in the order of time."""
    infos = {camera: _camera_info(drive.calibration, camera) for camera in cameras}
    moments = _moments(drive, cameras)
    start = moments[0].stamp
    yield TF_STATIC_TOPIC, start, _static_transforms(drive.calibration, cameras, dialect, start)
    for stamp, camera, frame in moments:
        if camera is None:
            cloud = _cloud(drive.velodyne.path(frame), dialect, stamp)
            yield dialect.lidar_topic, stamp, cloud
            continue
        path = drive.images(camera).path(frame)
        image, info = _image(path, camera, dialect, stamp), infos[camera]
        if (image.width, image.height) != (info.width, info.height):
            raise HmaDepthError(
                f"{path} has {image.width}x{image.height} pixels, but the calibration in "
                f"{drive.folder.parent} is for {info.width}x{info.height} (S_rect_{camera:02d})"
            )
        info.header = image.header
        yield dialect.image_topic(camera), stamp, image
        yield dialect.camera_info_topic(camera), stamp, info


class _Moment(NamedTuple):
    stamp: int
    camera: int | None  #: None is the LiDAR
    frame: int


def _moments(drive: KittiDrive, cameras: Sequence[int]) -> list[_Moment]:
    """Everything that is there to be written, in the order of time."""
    streams: list[tuple[int | None, SensorStream]] = [
        (camera, drive.images(camera)) for camera in cameras
    ]
    streams.append((None, drive.velodyne))
    return sorted(
        (
            _Moment(stream.stamp(frame), camera, frame)
            for camera, stream in streams
            for frame in stream.frames
        ),
        key=lambda moment: moment.stamp,
    )


def _image(path: Path, camera: int, dialect: KittiDialect, stamp: int) -> Any:
    pixels = read_rgb(path)
    encoding: str = dialect.color_encoding
    if camera in _GREY_CAMERAS:
        pixels, encoding = pixels[..., 0], "mono8"
    elif encoding == "bgr8":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), dtype=np.uint8)
    return image_message(pixels, encoding, stamp=stamp, frame=dialect.camera_frames[camera])


def _cloud(path: Path, dialect: KittiDialect, stamp: int) -> Any:
    names = ("x", "y", "z", dialect.intensity_field)
    return cloud_message(load_velodyne(path), names, stamp=stamp, frame=dialect.lidar_frame)


def _camera_info(calibration: KittiCalibration, camera: int) -> Any:
    """CameraInfo of the rectified images: K = P, no distortion.

    P is what sensor_msgs/CameraInfo asks for: Tx = -fx baseline of a right camera, 0 of a left one.
    KITTI's own P_rect refers to camera 0 throughout.
    """
    pinhole = calibration.camera(camera)
    left = calibration.calibration(_LEFT_CAMERA[camera]) if camera % 2 else None
    p = np.zeros((3, 4))
    p[:, :3] = pinhole.matrix
    if left is not None:
        offset = calibration.calibration(camera).offset_from_camera_0 - left.offset_from_camera_0
        p[0, 3] = pinhole.fx * offset[0]
    return message(
        CAMERA_INFO,
        header=None,
        height=pinhole.height,
        width=pinhole.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=pinhole.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=p.ravel(),
        binning_x=0,
        binning_y=0,
        roi=message(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def _static_transforms(
    calibration: KittiCalibration, cameras: Sequence[int], dialect: KittiDialect, stamp: int
) -> Any:
    """TFMessage of the car: base -> IMU -> LiDAR and each camera's rectified optical frame."""
    velodyne_to_imu = _inverse(calibration.imu_to_velodyne)
    # A transform's message maps points of the child into the parent.
    edges = [
        (dialect.base_frame, dialect.imu_frame, _BASE_TO_IMU),
        (dialect.imu_frame, dialect.lidar_frame, velodyne_to_imu),
    ]
    for camera in cameras:
        camera_to_velodyne = _inverse(calibration.velodyne_to_camera(camera))
        edges.append(
            (dialect.imu_frame, dialect.camera_frames[camera], velodyne_to_imu @ camera_to_velodyne)
        )
    return message(
        TF_MESSAGE,
        transforms=[
            transform_message(parent, child, matrix, stamp) for parent, child, matrix in edges
        ],
    )


def _inverse(transform: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(transform), dtype=np.float64)
