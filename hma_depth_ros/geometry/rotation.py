"""Rotation matrices as the quaternions of ROS messages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def quaternion_from_matrix(rotation: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Unit quaternion (x, y, z, w), w >= 0, nearest to a 3x3 rotation matrix.

    Calibration files give rotations with seven digits, which are not exactly orthogonal. The
    eigenvector used here is the best fit even then, and needs none of the case distinctions of
    the trace formula (Bar-Itzhack, "New method for extracting the quaternion from a rotation
    matrix", 2000).
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.asarray(rotation, dtype=np.float64)
    symmetric = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    _, vectors = np.linalg.eigh(symmetric)
    x, y, z, w = vectors[:, -1] * np.copysign(1.0, vectors[3, -1])
    return float(x), float(y), float(z), float(w)


def matrix_from_quaternion(x: float, y: float, z: float, w: float) -> npt.NDArray[np.float64]:
    """Rotation matrix 3x3 of a quaternion, which is normalised first.

    Raises:
        ValueError: the quaternion is zero or not finite.

    """
    quaternion = np.array([x, y, z, w], dtype=np.float64)
    length = np.linalg.norm(quaternion)
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"not a rotation: quaternion ({x}, {y}, {z}, {w})")
    x, y, z, w = (quaternion / length).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def pose_matrix(numbers: Sequence[float]) -> npt.NDArray[np.float64]:
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
