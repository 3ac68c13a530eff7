"""A sequence of KITTI's odometry benchmark on disk.

Layout (odometry development kit)::

    ROOT/sequences/00/calib.txt, times.txt, image_2/000000.png, velodyne/000000.bin
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path

import numpy as np

from hma_depth_ros.data.image_file import size_of_any
from hma_depth_ros.data.kitti.calibration import (
    CameraCalibration,
    KittiCalibration,
    check_rotation,
    numbers_of,
    read_entries,
)
from hma_depth_ros.data.kitti.drive import CAMERAS, SensorStream
from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import as_given

_BILLION = 1_000_000_000
#: Seconds; no time of a frame is so late.
_LONGEST = 10**12


class OdometryStream(SensorStream):
    """Files lie in the folder itself, and all sensors share one list of times."""

    @property
    def data_folder(self) -> Path:
        """Where the files are."""
        return self.folder

    @property
    def times_file(self) -> Path:
        """Where the times are."""
        return self.folder.parent / "times.txt"

    @staticmethod
    def parse_time(text: str) -> int:
        """Nanoseconds since the sequence's beginning, exactly as written.

        Raises:
            ValueError: not a number of seconds.

        """
        try:
            seconds = Decimal(text)
            # Before it becomes a whole number: 1e999999 would be one of a million digits.
            return int(seconds * _BILLION) if abs(seconds) < _LONGEST else _LONGEST * _BILLION
        except (InvalidOperation, ValueError, OverflowError):
            raise ValueError(f"not a number of seconds: {text!r}") from None


@dataclass(frozen=True)
class OdometrySequence:
    """One sequence, `ROOT/sequences/00`; it has what a `KittiDrive` has."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> OdometrySequence:
        """Open a sequence's folder.

        Raises:
            HmaDepthError: it holds no camera.

        """
        sequence = cls(as_given(folder))
        if not sequence.cameras:
            raise HmaDepthError(
                f"{folder} is no sequence of KITTI's odometry benchmark: no images in image_0 to "
                "image_3"
            )
        return sequence

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Whether a folder looks like a sequence."""
        return (folder / "times.txt").is_file() or (folder / "calib.txt").is_file()

    @property
    def name(self) -> str:
        """Such as `sequence 00`."""
        return f"sequence {self.folder.name}"

    @cached_property
    def cameras(self) -> tuple[int, ...]:
        """Numbers of the cameras of which at least one image is present."""
        return tuple(index for index in CAMERAS if self.images(index).files)

    def images(self, camera: int) -> SensorStream:
        """Rectified images of a camera."""
        return self._images[camera]

    @cached_property
    def _images(self) -> dict[int, SensorStream]:
        return {n: OdometryStream(self.folder / f"image_{n}", IMAGE_SUFFIXES) for n in CAMERAS}

    @cached_property
    def velodyne(self) -> SensorStream:
        """LiDAR scans, with the times of the images."""
        return OdometryStream(self.folder / "velodyne", (".bin",))

    @cached_property
    def oxts(self) -> SensorStream:
        """None: the benchmark has no GPS and IMU readings."""
        return OdometryStream(self.folder / "oxts", (".txt",))

    @property
    def calibration_folder(self) -> Path:
        """Where calib.txt is."""
        return self.folder

    @cached_property
    def calibration(self) -> KittiCalibration:
        """Of calib.txt: projections P0 to P3, and Tr from the LiDAR to rectified camera 0.

        Raises:
            HmaDepthError: the file is missing or damaged.

        """
        path = self.folder / "calib.txt"
        entries = read_entries(path)
        # Released without LiDAR, a sequence has no Tr, and nothing to place by it.
        to_camera_0 = np.eye(4)
        if "Tr" in entries or self.velodyne.files:
            to_camera_0[:3] = numbers_of(entries, "Tr", (3, 4), path)
            check_rotation(to_camera_0[:3, :3], "Tr", path)
        cameras = {}
        # All sensors of the benchmark are rectified to one size.
        size = size_of_any(self.images(self.cameras[0]).files.values())
        for camera in CAMERAS:
            p = numbers_of(entries, f"P{camera}", (3, 4), path)
            cameras[camera] = CameraCalibration(
                S=size,
                K=p[:, :3],
                D=np.zeros(5),
                R=np.eye(3),
                T=np.zeros(3),
                S_rect=size,
                R_rect=np.eye(3),
                P_rect=p,
            )
            try:
                _ = cameras[camera].rectified
            except ValueError as error:
                raise HmaDepthError(f"{path}, P{camera}: {error}") from error
        return KittiCalibration(cameras, to_camera_0, imu_to_velodyne=np.full((4, 4), np.nan))

    def ground_truth(self, camera: int, frame: int) -> Path | None:
        """None: the benchmark has no annotated depth."""
        return None
