"""Where a car was by its satellite receiver and inertial unit, for bags without odometry."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_quaternion
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import IMU, NAV_SAT_FIX

#: Frame of the places: east, north, up of the first fix.
EARTH = "odom_gps"
#: Metres: radius of a sphere on which a drive's metres are right to some thousandths (WGS 84's
#: greater half axis).
_RADIUS = 6_378_137.0


def add_gps_places(bag: BagReader, transforms: Transforms, frame: str) -> bool:
    """Say by the bag's NavSatFix and Imu where `frame` is; whether there is enough to say it.

    Fixes and attitudes of one stamp and frame belong together, as KITTI's receiver gives them.

    Args:
        bag: open.
        transforms: of the bag, which are added to.
        frame: of the car, such as a camera's.

    Raises:
        HmaDepthError: the storage is damaged.

    """
    attitudes = {}
    for topic in bag.topics_of(IMU):
        for raw in bag.messages([topic]):
            imu = bag.decode(raw)
            attitudes[header_stamp(imu), imu.header.frame_id] = imu.orientation
    top, origin = transforms.root(frame), None
    for topic in bag.topics_of(NAV_SAT_FIX):
        for raw in bag.messages([topic]):
            fix = bag.decode(raw)
            where = np.array([fix.latitude, fix.longitude, fix.altitude])
            attitude = attitudes.get((header_stamp(fix), fix.header.frame_id))
            if attitude is None or not np.isfinite(where).all():
                continue
            origin = where if origin is None else origin
            pose = np.eye(4)
            try:
                pose[:3, :3] = matrix_from_quaternion(
                    attitude.x, attitude.y, attitude.z, attitude.w
                )
                unit_to_top = transforms.lookup(fix.header.frame_id, top)
            except (ValueError, HmaDepthError):
                return False  # no attitude, or a unit of which no transform says where it is
            pose[:3, 3] = _east_north_up(where, origin)
            transforms.add_pose(EARTH, top, header_stamp(fix), pose @ unit_to_top)
    return origin is not None


def _east_north_up(
    where: npt.NDArray[np.float64], origin: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Metres (3,) from `origin` to `where`, both degrees of latitude, of longitude, and metres."""
    north, east = np.radians(where[:2] - origin[:2]) * _RADIUS
    return np.array([east * np.cos(np.radians(origin[0])), north, where[2] - origin[2]])
