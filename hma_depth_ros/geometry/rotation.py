"""Rotations as ROS messages and inertial sensors state them: quaternions; roll, pitch and yaw.

SciPy does the work; its import takes a quarter of a second, so the rest of this folder, players and
recorders of bags go without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Matrix = npt.NDArray[np.float64]


def quaternion_from_matrix(rotation: Matrix) -> tuple[float, float, float, float]:
    """Unit quaternion (x, y, z, w), w >= 0, of a 3x3 rotation matrix.

    Of the nearest one, since calibration files give rotations with seven digits.
    """
    x, y, z, w = Rotation.from_matrix(rotation).as_quat(canonical=True).tolist()
    return x, y, z, w


def matrix_from_quaternion(x: float, y: float, z: float, w: float) -> Matrix:
    """Rotation matrix 3x3 of a quaternion, which is normalised first.

    Raises:
        ValueError: the quaternion is zero or not finite.

    """
    quaternion = np.array([x, y, z, w], dtype=np.float64)
    length = np.linalg.norm(quaternion)
    # SciPy refuses zeros alone, and turns what is too large to be squared into a matrix of zeros.
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"not a rotation: quaternion ({x}, {y}, {z}, {w})")
    return np.asarray(Rotation.from_quat(quaternion).as_matrix())


def matrix_from_angles(roll: float, pitch: float, yaw: float) -> Matrix:
    """Rotation matrix 3x3: by roll (rad) about x, then pitch about y, then yaw about z, REP 103."""
    return np.asarray(Rotation.from_euler("xyz", [roll, pitch, yaw]).as_matrix())


def angles_from_matrix(rotation: Matrix) -> tuple[float, float, float]:
    """Roll, pitch and yaw (rad) of a 3x3 rotation matrix, as `matrix_from_angles` takes them."""
    roll, pitch, yaw = Rotation.from_matrix(rotation).as_euler("xyz").tolist()
    return roll, pitch, yaw


def pose_matrix(numbers: Sequence[float]) -> Matrix:
    """4x4 matrix of x y z qx qy qz qw: points of the child to points of the parent.

    Raises:
        ValueError: these are not seven such numbers.

    """
    if len(numbers) != 7 or not np.isfinite(numbers).all():
        raise ValueError(f"takes seven numbers x y z qx qy qz qw, not {list(numbers)}")
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion(*numbers[3:])
    matrix[:3, 3] = numbers[:3]
    return matrix
