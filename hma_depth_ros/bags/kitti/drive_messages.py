"""Files of a KITTI drive as messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.kitti.dialect import ImageFormat, KittiDialect
from hma_depth_ros.bags.new_messages import (
    camera_info_message,
    cloud_message,
    compressed_image_message,
    image_message,
)
from hma_depth_ros.bags.transforms import transform_message
from hma_depth_ros.bags.typestore import header, message
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.image_file import is_plain, read_rgb
from hma_depth_ros.data.kitti.calibration import KittiCalibration, rigid_transform
from hma_depth_ros.data.kitti.drive import load_velodyne
from hma_depth_ros.data.kitti.oxts import read_oxts
from hma_depth_ros.messages.types import IMU, NAV_SAT_FIX, TF_MESSAGE

Matrix = npt.NDArray[np.float64]

#: The left camera of each stereo pair, which the right one's Tx refers to.
_LEFT_CAMERA = {0: 0, 1: 0, 2: 2, 3: 2}
_GREY_CAMERAS = (0, 1)

#: IMU in the car: over the rear axle's middle, half a wheelbase and 5 cm behind the car's middle,
#: 32 cm to the left and 93 cm above the ground (IJRR 2013, fig. 3; kitti2bag has the same numbers).
_BASE_TO_IMU = rigid_transform(np.eye(3), np.array([-2.71 / 2 - 0.05, 0.32, 0.93]))

#: sensor_msgs/NavSatStatus: none, plain, by satellites, by a base station; and its GPS service.
_NO_FIX, _FIX, _SBAS_FIX, _GBAS_FIX = -1, 0, 1, 2
_GPS = 1
#: Status by the receiver's position mode (OXTS NCOM manual); any other one is a plain fix.
_STATUS = {0: _NO_FIX, 1: _NO_FIX, 4: _GBAS_FIX, 5: _GBAS_FIX, 6: _GBAS_FIX, 7: _SBAS_FIX}
_APPROXIMATED = 1  # NavSatFix.COVARIANCE_TYPE_APPROXIMATED


def raw_image(path: Path, camera: int, dialect: KittiDialect, stamp: int) -> Any:
    """Image of an image file.

    Raises:
        HmaDepthError: the file is missing or damaged.

    """
    pixels = read_rgb(path)
    encoding: str = dialect.color_encoding
    if camera in _GREY_CAMERAS:
        pixels, encoding = pixels[..., 0], "mono8"
    elif encoding == "bgr8":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), dtype=np.uint8)
    return image_message(pixels, encoding, stamp=stamp, frame=dialect.camera_frames[camera])


def compressed_image(
    path: Path,
    camera: int,
    dialect: KittiDialect,
    stamp: int,
    *,
    file_format: ImageFormat,
    quality: int,
) -> tuple[Any, tuple[int, int]]:
    """CompressedImage of an image file, and its width and height.

    The file's own bytes, where they are plainly of that format (`is_plain`). The image is decoded
    in any case, so that a damaged file does not get into the bag.

    Args:
        path: of the image.
        camera: it is of.
        dialect: names the frame.
        stamp: nanoseconds.
        file_format: png or jpeg.
        quality: of JPEG, 1 to 100.

    Raises:
        HmaDepthError: the file is missing or damaged.

    """
    pixels = read_rgb(path)
    grey = camera in _GREY_CAMERAS
    if is_plain(path, "PNG" if file_format == "png" else "JPEG", grey=grey):
        data = np.frombuffer(path.read_bytes(), np.uint8)
    else:
        stored = pixels[..., 0] if grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_JPEG_QUALITY, quality] if file_format == "jpeg" else []
        _, data = cv2.imencode(f".{file_format}", stored, options)
    # As compressed_image_transport writes it: the camera's encoding, and what is in the file.
    kinds = ("mono8", "") if grey else (dialect.color_encoding, "bgr8")
    content = compressed_image_message(
        data.tobytes(),
        f"{kinds[0]}; {file_format} compressed {kinds[1]}",
        stamp=stamp,
        frame=dialect.camera_frames[camera],
    )
    return content, (pixels.shape[1], pixels.shape[0])


def ground_truth_image(path: Path, camera: int, dialect: KittiDialect, stamp: int) -> Any:
    """Depth image, 32FC1 with NaN where it is unknown (REP 118), of an annotated depth PNG.

    Raises:
        HmaDepthError: the file is missing or damaged.

    """
    depth = read_depth_png(path)
    depth = np.where(depth > 0, depth, np.float32(np.nan))
    return image_message(depth, "32FC1", stamp=stamp, frame=dialect.camera_frames[camera])


def lidar_cloud(path: Path, dialect: KittiDialect, stamp: int) -> Any:
    """PointCloud2 of a velodyne scan.

    Raises:
        HmaDepthError: the file is missing or damaged.

    """
    names = ("x", "y", "z", dialect.intensity_field)
    return cloud_message(load_velodyne(path), names, stamp=stamp, frame=dialect.lidar_frame)


def imu_and_gps(path: Path, dialect: KittiDialect, stamp: int) -> tuple[Any, Any]:
    """Imu (orientation in east, north, up; REP 103) and NavSatFix of a reading.

    Raises:
        HmaDepthError: the file is missing or damaged.

    """
    reading = read_oxts(path)
    where = header(stamp, dialect.imu_frame)
    # A rotation is all that is needed of a transform.
    turned = transform_message("", "", rigid_transform(reading.rotation, np.zeros(3)), stamp)
    unknown = np.zeros(9)  # what zeros mean in Imu
    imu = message(
        IMU,
        header=where,
        orientation=turned.transform.rotation,
        orientation_covariance=unknown,
        angular_velocity=_vector(reading.rate),
        angular_velocity_covariance=unknown,
        linear_acceleration=_vector(reading.acceleration),
        linear_acceleration_covariance=unknown,
    )
    fix = message(
        NAV_SAT_FIX,
        header=where,
        status=message(
            "sensor_msgs/msg/NavSatStatus",
            status=_STATUS.get(reading.position_mode, _FIX),
            service=_GPS,
        ),
        latitude=reading.latitude,
        longitude=reading.longitude,
        altitude=reading.altitude,
        position_covariance=(np.eye(3) * reading.position_accuracy**2).ravel(),
        position_covariance_type=_APPROXIMATED,
    )
    return imu, fix


def _vector(values: tuple[float, float, float]) -> Any:
    x, y, z = values
    return message("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def camera_info(calibration: KittiCalibration, camera: int) -> Any:
    """CameraInfo of the rectified images, still without stamp and frame: K = P, no distortion.

    P is what sensor_msgs/CameraInfo asks for: Tx = -fx baseline of a right camera, 0 of a left one.
    KITTI's own P_rect refers to camera 0 throughout.
    """
    pinhole = calibration.camera(camera)
    info = camera_info_message(pinhole, stamp=0, frame="")
    if camera % 2:
        left = calibration.calibration(_LEFT_CAMERA[camera])
        offset = calibration.calibration(camera).offset_from_camera_0 - left.offset_from_camera_0
        info.p[3] = pinhole.fx * offset[0]
    return info


def static_transforms(
    calibration: KittiCalibration, cameras: Sequence[int], dialect: KittiDialect, stamp: int
) -> Any:
    """TFMessage of the car: base -> IMU -> LiDAR and each camera's rectified optical frame.

    Without an IMU (odometry sequences) nothing says where the LiDAR is in the car; then the cameras
    hang on the LiDAR.
    """
    lidar, velodyne_to_root = dialect.lidar_frame, np.eye(4)
    root, edges = lidar, []
    if np.isfinite(calibration.imu_to_velodyne).all():
        velodyne_to_root = _inverse(calibration.imu_to_velodyne)
        root = dialect.imu_frame
        # A transform's message maps points of the child into the parent.
        edges = [(dialect.base_frame, root, _BASE_TO_IMU), (root, lidar, velodyne_to_root)]
    for camera in cameras:
        camera_to_velodyne = _inverse(calibration.velodyne_to_camera(camera))
        edges.append((root, dialect.camera_frames[camera], velodyne_to_root @ camera_to_velodyne))
    return message(
        TF_MESSAGE,
        transforms=[
            transform_message(parent, child, matrix, stamp) for parent, child, matrix in edges
        ],
    )


def _inverse(transform: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(transform), dtype=np.float64)
