"""Where a LiDAR is, seen from a camera: from parameters, or from tf2 where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.time import Time

from hma_depth_ros.bags.transforms import transform_matrix
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_quaternion

Matrix = npt.NDArray[np.float64]


def parameter_matrix(numbers: Sequence[float]) -> Matrix:
    """4x4 of x y z qx qy qz qw: points of the LiDAR to points of the camera's optical frame.

    Raises:
        HmaDepthError: these are not seven such numbers.

    """
    if len(numbers) != 7 or not np.isfinite(numbers).all():
        raise HmaDepthError(
            f"lidar_to_camera takes seven numbers x y z qx qy qz qw, not {list(numbers)}"
        )
    matrix = np.eye(4)
    try:
        matrix[:3, :3] = matrix_from_quaternion(*numbers[3:])
    except ValueError as error:
        raise HmaDepthError(f"lidar_to_camera: {error}") from error
    matrix[:3, 3] = numbers[:3]
    return matrix


@dataclass(frozen=True)
class LidarTransform:
    """Gives the 4x4 transform of (camera frame, LiDAR frame)."""

    source: str  #: for people
    lookup: Callable[[str, str], Matrix]

    @classmethod
    def fixed(cls, matrix: Matrix) -> LidarTransform:
        """The same for all frames."""
        return cls("parameters", lambda _camera, _lidar: matrix)

    @classmethod
    def from_tf(cls, node: Node) -> LidarTransform:
        """The latest of tf2.

        Raises:
            HmaDepthError: tf2 is not installed.

        """
        try:
            from tf2_ros import Buffer, TransformException, TransformListener
        except ImportError as error:
            raise HmaDepthError(
                "tf2_ros is not installed, which would say where the LiDAR is: set the parameter "
                "lidar_to_camera to x y z qx qy qz qw, or calibration to a folder of KITTI's files"
            ) from error
        buffer = Buffer()
        listener = TransformListener(buffer, node)

        def lookup(camera: str, lidar: str) -> Matrix:
            assert listener is not None  # which fills the buffer as long as it lives
            try:
                found = buffer.lookup_transform(camera, lidar, Time())
            except TransformException as error:
                raise HmaDepthError(f"no transform from {lidar} to {camera}: {error}") from error
            return transform_matrix(found.transform)

        return cls("tf", lookup)
