"""GPS and IMU readings of a synthetic drive, in the 30 columns of KITTI's oxts files.

The world's x axis is east, y north, z up, and its origin a place in Karlsruhe. Positions follow the
development kit's Mercator projection, so its `convertOxtsToPose` gives the poses back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.rotation import angles_from_matrix, matrix_from_angles

Doubles = npt.NDArray[np.float64]

_EARTH_RADIUS = 6378137.0  #: metres, as in the development kit
_LATITUDE, _LONGITUDE = 49.015, 8.4343  #: of the world's origin, degrees
_GRAVITY = 9.81
_STEP = 0.01  #: seconds between the poses that velocities are taken from

#: What KITTI ships beside the readings.
DATA_FORMAT = """\
lat:   latitude of the oxts-unit (deg)
lon:   longitude of the oxts-unit (deg)
alt:   altitude of the oxts-unit (m)
roll:  roll angle (rad),    0 = level, positive = left side up,      range: -pi   .. +pi
pitch: pitch angle (rad),   0 = level, positive = front down,        range: -pi/2 .. +pi/2
yaw:   heading (rad),       0 = east,  positive = counter clockwise, range: -pi   .. +pi
vn:    velocity towards north (m/s)
ve:    velocity towards east (m/s)
vf:    forward velocity, i.e. parallel to earth-surface (m/s)
vl:    leftward velocity, i.e. parallel to earth-surface (m/s)
vu:    upward velocity, i.e. perpendicular to earth-surface (m/s)
ax:    acceleration in x, i.e. in direction of vehicle front (m/s^2)
ay:    acceleration in y, i.e. in direction of vehicle left (m/s^2)
az:    acceleration in z, i.e. in direction of vehicle top (m/s^2)
af:    forward acceleration (m/s^2)
al:    leftward acceleration (m/s^2)
au:    upward acceleration (m/s^2)
wx:    angular rate around x (rad/s)
wy:    angular rate around y (rad/s)
wz:    angular rate around z (rad/s)
wf:    angular rate around forward axis (rad/s)
wl:    angular rate around leftward axis (rad/s)
wu:    angular rate around upward axis (rad/s)
pos_accuracy:  velocity accuracy (north/east in m)
vel_accuracy:  velocity accuracy (north/east in m/s)
navstat:       navigation status (see navstat_to_string)
numsats:       number of satellites tracked by primary GPS receiver
posmode:       position mode of primary GPS receiver (see gps_mode_to_string)
velmode:       velocity mode of primary GPS receiver (see gps_mode_to_string)
orimode:       orientation mode of primary GPS receiver (see gps_mode_to_string)
"""


def reading(imu_to_world: Callable[[float], Doubles], time: float) -> str:
    """One line of 30 numbers for the IMU (x forward, y left, z up) at `time` in seconds.

    `imu_to_world` gives the 4x4 pose at any time; velocities and rates are its differences.
    """
    before, now, after = (imu_to_world(time + step) for step in (-_STEP, 0.0, _STEP))
    rotation, position = now[:3, :3], now[:3, 3]
    latitude, longitude = _geographic(position)
    roll, pitch, yaw = angles_from_matrix(rotation)

    velocity = (after[:3, 3] - before[:3, 3]) / (2 * _STEP)
    acceleration = (after[:3, 3] - 2 * position + before[:3, 3]) / _STEP**2
    acceleration[2] += _GRAVITY  # what an accelerometer at rest shows
    turned = rotation.T @ (after[:3, :3] - before[:3, :3]) / (2 * _STEP)  # skew-symmetric
    rates = np.array([turned[2, 1], turned[0, 2], turned[1, 0]])
    # Forward and leftward, but level: the body's axes after yaw alone.
    level = matrix_from_angles(0.0, 0.0, yaw).T
    east, north, _ = velocity
    numbers = [
        *(latitude, longitude, position[2], roll, pitch, yaw, north, east),
        *(level @ velocity),
        *(rotation.T @ acceleration),
        *(level @ acceleration),
        *rates,
        *(level @ rotation @ rates),
        *(0.05, 0.01),
    ]
    status = "4 10 4 4 0"  # navigating; ten satellites; narrow-lane integer positions
    return " ".join(f"{number:.14g}" for number in numbers) + f" {status}"


def _geographic(position: Doubles) -> tuple[float, float]:
    """Latitude and longitude in degrees of a place in the world frame."""
    scale = np.cos(np.deg2rad(_LATITUDE)) * _EARTH_RADIUS
    east = scale * np.deg2rad(_LONGITUDE) + position[0]
    north = scale * np.log(np.tan(np.deg2rad(90 + _LATITUDE) / 2)) + position[1]
    latitude = 2 * np.rad2deg(np.arctan(np.exp(north / scale))) - 90
    return float(latitude), float(np.rad2deg(east / scale))
