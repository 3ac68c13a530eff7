"""Where a LiDAR is, seen from a camera: from parameters, or from tf2 where it is installed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from hma_depth_ros.bags.transforms import transform_matrix
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import pose_matrix

Matrix = npt.NDArray[np.float64]

#: Frames that stand still while the car moves (REP 105), the one that does not jump first.
_FIXED_FRAMES = ("odom", "map", "world")
#: Frames that the report is about.
_WINDOW = 50
#: Seconds by which an image's stamp goes back when a bag begins again, and not two images swap.
_BACK = 1.0


def parameter_matrix(numbers: Sequence[float]) -> Matrix:
    """4x4 of x y z qx qy qz qw: points of the LiDAR to points of the camera's optical frame.

    Raises:
        HmaDepthError: these are not seven such numbers.

    """
    try:
        return pose_matrix(numbers)
    except ValueError as error:
        raise HmaDepthError(f"lidar_to_camera {error}") from error


class LidarTransform:
    """Takes points of a scan to the camera's frame, as of the image's time where that is known."""

    def __init__(
        self,
        source: str,
        lookup: Callable[[str, str], Matrix],
        follow: Callable[[Header, Header], Matrix | None] = lambda _image, _scan: None,
    ) -> None:
        """Take what knows it.

        Args:
            source: for people.
            lookup: 4x4 transform of (camera frame, LiDAR frame).
            follow: the same of (image's header, scan's header), with the car's motion between
                them; None where it is not known.

        """
        self.source = source
        self._lookup = lookup
        self._follow = follow
        self._apart: deque[float] = deque(maxlen=_WINDOW)  # seconds from scan to image
        self._moved: deque[bool] = deque(maxlen=_WINDOW)

    @classmethod
    def fixed(cls, matrix: Matrix) -> LidarTransform:
        """The same for all frames."""
        return cls("parameters", lambda _camera, _lidar: matrix)

    @classmethod
    def from_tf(cls, node: Node) -> LidarTransform:
        """Of tf2: with the motion seen from the odometry's frame or the map's, else the latest.

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
        # Given the node it would heed its clock, but raise at a jump in Jazzy's first releases.
        buffer = Buffer()
        listener = TransformListener(buffer, node)
        clock = node.get_clock()
        # It refuses what is 10 s older than its latest. Static transforms outlive a clear.
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        jumps = clock.create_jump_callback(back, post_callback=lambda _jump: buffer.clear())
        kept = listener, jumps  # which fill and clear the buffer as long as they live
        latest = 0.0  # image's stamp

        def lookup(camera: str, lidar: str) -> Matrix:
            assert kept
            try:
                found = buffer.lookup_transform(camera, lidar, Time())
            except TransformException as error:
                raise HmaDepthError(f"no transform from {lidar} to {camera}: {error}") from error
            return transform_matrix(found.transform)

        def follow(image: Header, scan: Header) -> Matrix | None:
            nonlocal latest
            before, latest = latest, _seconds(image)
            # A replay without its clock; simulated time has told by itself.
            if latest < before - _BACK and not clock.ros_time_is_active:
                buffer.clear()
            times = (Time.from_msg(header.stamp) for header in (image, scan))
            target, source = zip((image.frame_id, scan.frame_id), times, strict=True)
            for fixed in _FIXED_FRAMES:
                try:
                    found = buffer.lookup_transform_full(*target, *source, fixed)
                except TransformException:  # no such frame, or not yet at that time
                    continue
                return transform_matrix(found.transform)
            return None

        return cls("tf", lookup, follow)

    def between(self, image: Header, scan: Header) -> Matrix:
        """4x4: points of a scan to the camera's frame, at the time of the image if possible.

        Raises:
            HmaDepthError: the frames are not connected.

        """
        moved = self._follow(image, scan)
        matrix = self._lookup(image.frame_id, scan.frame_id) if moved is None else moved
        self._apart.append(abs(_seconds(image) - _seconds(scan)))
        self._moved.append(moved is not None)
        return matrix

    def report(self) -> dict[str, str]:
        """What of the last frames is to be known, by its name, for the diagnostics."""
        if not self._apart:
            return {}
        mean, most = 1000 * sum(self._apart) / len(self._apart), 1000 * max(self._apart)
        return {
            "time between image and scan": f"{mean:.1f} ms, {most:.1f} at most",
            "scans moved to the image's time": f"{sum(self._moved)} of {len(self._moved)}",
        }


def _seconds(header: Header) -> float:
    return float(header.stamp.sec) + 1e-9 * header.stamp.nanosec
