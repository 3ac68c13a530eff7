"""GPS and IMU readings of KITTI's raw drives (`oxts/data/*.txt`, 30 numbers each)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.rotation import matrix_from_angles

_NUMBERS = 30


@dataclass(frozen=True)
class OxtsReading:
    """What messages are made of; KITTI's `dataformat.txt` names all 30 numbers."""

    latitude: float  #: degrees
    longitude: float
    altitude: float  #: metres
    roll: float  #: radians, positive with the left side up
    pitch: float  #: positive with the front down
    yaw: float  #: 0 is east, counter clockwise
    acceleration: tuple[float, float, float]  #: m/s^2 in the IMU's axes: forward, left, up
    rate: tuple[float, float, float]  #: rad/s around these axes
    position_accuracy: float  #: metres
    position_mode: int  #: of the GPS receiver

    @property
    def rotation(self) -> npt.NDArray[np.float64]:
        """3x3, IMU (x forward, y left, z up) to east, north, up (REP 103)."""
        return matrix_from_angles(self.roll, self.pitch, self.yaw)


def read_oxts(path: Path) -> OxtsReading:
    """Read one file.

    Raises:
        HmaDepthError: the file is missing or holds something else.

    """
    try:
        numbers = [float(word) for word in read_text(path, "the GPS/IMU reading").split()]
    except ValueError as error:
        raise HmaDepthError(f"cannot read the GPS/IMU reading {path}: {error}") from error
    if len(numbers) != _NUMBERS or not np.isfinite(numbers).all():
        raise HmaDepthError(
            f"{path} is no GPS/IMU reading of KITTI: {len(numbers)} numbers, expected {_NUMBERS} "
            "finite ones"
        )
    latitude, longitude, altitude, roll, pitch, yaw = numbers[:6]
    return OxtsReading(
        latitude=latitude,
        longitude=longitude,
        altitude=altitude,
        roll=roll,
        pitch=pitch,
        yaw=yaw,
        acceleration=(numbers[11], numbers[12], numbers[13]),
        rate=(numbers[17], numbers[18], numbers[19]),
        position_accuracy=numbers[23],
        position_mode=int(numbers[27]),
    )
