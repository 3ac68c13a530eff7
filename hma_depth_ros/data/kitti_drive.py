"""A drive of the KITTI raw recordings on disk: which frames are there, and when they were taken.

Layout (synced and rectified drives, KITTI raw development kit)::

    ROOT/2011_09_26/calib_*.txt
    ROOT/2011_09_26/2011_09_26_drive_0001_sync/image_02/{timestamps.txt, data/0000000000.png}
                                              /velodyne_points/{timestamps.txt, data/*.bin}
                                              /oxts/{timestamps.txt, data/*.txt}

Annotated depth (`data_depth_annotated`) has a tree of its own::

    ROOT/{train,val}/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.kitti_calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError

#: Preferred first, where a frame is there twice.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
CAMERAS = (0, 1, 2, 3)

_BILLION = 1_000_000_000


@dataclass(frozen=True)
class SensorStream:
    """What one sensor recorded: files by frame number, and the stamps of all frames.

    A partial download has fewer files than stamps; a stamp belongs to a frame *number*, not to
    the n-th file present.
    """

    folder: Path  #: `image_02`, `velodyne_points` or `oxts` of a drive
    suffixes: tuple[str, ...]  #: of the data files, the preferred first

    @property
    def data_folder(self) -> Path:
        """Where the files are."""
        return self.folder / "data"

    @property
    def times_file(self) -> Path:
        """Where the times are, one line a frame."""
        return self.folder / "timestamps.txt"

    @staticmethod
    def parse_time(text: str) -> int:
        """Nanoseconds of a line of `times_file`; see `parse_timestamp`."""
        return parse_timestamp(text)

    @property
    def listed(self) -> int:
        """Frames of the whole recording, of which a partial one has some."""
        return sum(map(bool, self._stamps))

    @cached_property
    def files(self) -> dict[int, Path]:
        """Data files by frame number, in order of time; empty where the sensor is absent."""
        found: dict[int, Path] = {}
        for suffix in reversed(self.suffixes):
            for path in self.data_folder.glob(f"*{suffix}"):
                if path.stem.isdecimal():
                    found[int(path.stem)] = path
        return dict(sorted(found.items()))

    @property
    def frames(self) -> tuple[int, ...]:
        """Numbers of the frames that are present, ascending."""
        return tuple(self.files)

    def path(self, frame: int) -> Path:
        """File of a frame.

        Raises:
            HmaDepthError: the drive has no such frame.

        """
        if frame not in self.files:
            raise HmaDepthError(f"{self.folder} has no frame {frame} ({len(self.files)} present)")
        return self.files[frame]

    def stamp(self, frame: int) -> int:
        """Time of a frame in integer nanoseconds since 1970, exactly as written.

        KITTI's clock readings name no time zone; they are taken as UTC, so that the stamps are the
        same on every machine.

        Raises:
            HmaDepthError: timestamps.txt is missing, malformed or too short.

        """
        path = self.times_file
        if not 0 <= frame < len(self._stamps) or not self._stamps[frame]:
            raise HmaDepthError(
                f"{path} has no time for frame {frame} (line {frame + 1} of {len(self._stamps)})"
            )
        try:
            return self.parse_time(self._stamps[frame])
        except ValueError as error:
            raise HmaDepthError(f"{path}, line {frame + 1}: {error}") from error

    @cached_property
    def _stamps(self) -> list[str]:
        path = self.times_file
        try:
            return [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise HmaDepthError(f"cannot read the times of the frames, {path}: {error}") from error


@dataclass(frozen=True)
class KittiDrive:
    """One synced drive, `ROOT/2011_09_26/2011_09_26_drive_0001_sync`."""

    folder: Path
    annotated_root: Path | None = None  #: `data_depth_annotated`, if there is one

    @classmethod
    def open(cls, folder: Path, *, annotated_root: Path | None = None) -> KittiDrive:
        """Open a drive folder, checking that it is one.

        Raises:
            HmaDepthError: no such folder, or it holds no camera.

        """
        # Resolved, because the day is the parent's name: `.` must work too.
        folder = folder.expanduser().resolve()
        if not folder.is_dir():
            raise HmaDepthError(f"no such KITTI drive: {folder} is not a folder")
        drive = cls(folder, annotated_root)
        if not drive.cameras:
            inside = sorted(
                path.name for depth in ("", "*/") for path in folder.glob(f"{depth}*_drive_*_sync")
            )
            hint = f"; did you mean one of {', '.join(inside[:5])} inside it?" if inside else ""
            raise HmaDepthError(
                f"{folder} is not a KITTI raw drive: no images in image_00 to image_03/data{hint}"
            )
        if annotated_root is not None and not annotated_root.is_dir():
            raise HmaDepthError(f"no such folder of annotated depth: {annotated_root}")
        return drive

    @property
    def name(self) -> str:
        """Such as `2011_09_26_drive_0001_sync`."""
        return self.folder.name

    @cached_property
    def calibration(self) -> KittiCalibration:
        """Calibration of the day, read from the folder above the drive."""
        return KittiCalibration.read(self.folder.parent)

    @cached_property
    def cameras(self) -> tuple[int, ...]:
        """Numbers of the cameras of which at least one image is present."""
        return tuple(index for index in CAMERAS if self.images(index).files)

    def images(self, camera: int) -> SensorStream:
        """Rectified images of a camera: 0, 1 grey; 2, 3 colour; left, right."""
        return self._images[camera]

    @cached_property
    def _images(self) -> dict[int, SensorStream]:
        # Kept, since each of them lists its folder once.
        return {camera: self._stream(f"image_{camera:02d}", IMAGE_SUFFIXES) for camera in CAMERAS}

    @cached_property
    def velodyne(self) -> SensorStream:
        """LiDAR scans; a stamp is the moment at which the scanner faced forward."""
        return self._stream("velodyne_points", (".bin",))

    @cached_property
    def oxts(self) -> SensorStream:
        """GPS and IMU readings."""
        return self._stream("oxts", (".txt",))

    def ground_truth(self, camera: int, frame: int) -> Path | None:
        """Annotated depth (16-bit PNG, metres x 256, 0 = unknown) of an image, where it exists.

        KITTI leaves out the first and last five frames of a drive.
        """
        if self.annotated_root is None:
            return None
        tail = Path("proj_depth", "groundtruth", f"image_{camera:02d}", f"{frame:010d}.png")
        for part in ("train", "val"):
            path = self.annotated_root / part / self.name / tail
            if path.is_file():
                return path
        return None

    def _stream(self, name: str, suffixes: tuple[str, ...]) -> SensorStream:
        return SensorStream(self.folder / name, suffixes)


def parse_timestamp(text: str) -> int:
    """Nanoseconds since 1970 of `2011-09-26 13:02:25.961661696`, taken as UTC, without rounding.

    Raises:
        ValueError: not such a time.

    """
    seconds, _, fraction = text.strip().partition(".")
    if len(fraction) > 9 or not (fraction or "0").isdecimal():
        raise ValueError(f"not a time with at most nine decimals: {text!r}")
    moment = datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * _BILLION + int(fraction.ljust(9, "0"))


def format_timestamp(stamp: int) -> str:
    """Inverse of `parse_timestamp`, with nine decimals as KITTI writes them."""
    seconds, nanoseconds = divmod(stamp, _BILLION)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds:09d}"


def load_velodyne(path: Path) -> npt.NDArray[np.float32]:
    """Read a scan: (N, 4) float32, x forward, y left, z up in metres, and reflectance in [0, 1].

    Raises:
        HmaDepthError: the file is missing or its size is not a whole number of points.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HmaDepthError(f"cannot read the LiDAR scan {path}: {error.strerror}") from error
    if len(data) % 16:
        raise HmaDepthError(
            f"{path} is not a velodyne scan, or it is cut short: {len(data)} bytes are no whole "
            "number of points of 16 bytes"
        )
    return np.frombuffer(data, dtype="<f4").astype(np.float32).reshape(-1, 4)
