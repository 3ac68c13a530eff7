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

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.folder_files import files_in
from hma_depth_ros.data.kitti.calibration import KittiCalibration, calibration_folder
from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES, first_file, spellings
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import kind_of
from hma_depth_ros.files import as_given

CAMERAS = (0, 1, 2, 3)
#: Of `data_depth_annotated`: one archive for training, one for validation.
ANNOTATED_PARTS = ("train", "val", "", "data_depth_annotated/train", "data_depth_annotated/val")
_FRAME = re.compile(r"[0-9]{1,10}")
_NAME = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4}_sync")

_BILLION = 1_000_000_000
#: Nanoseconds since 1970 that no longer fit into ROS's messages, which count seconds in 31 bits.
_END_OF_TIME = 2**31 * _BILLION


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
        inside = files_in(self.data_folder, self.suffixes)
        # Of several files of a frame the last one stays: that of the preferred suffix, and of those
        # the one with all of its zeros, as it was downloaded.
        for path in sorted(inside, key=self._preference):
            if _FRAME.fullmatch(path.stem):
                found[int(path.stem)] = path
        return dict(sorted(found.items()))

    def _preference(self, path: Path) -> tuple[int, int]:
        return -self.suffixes.index(path.suffix.lower()), len(path.stem)

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
            stamp = self.parse_time(self._stamps[frame])
        except ValueError as error:
            raise HmaDepthError(f"{path}, line {frame + 1}: {error}") from error
        if not 0 <= stamp < _END_OF_TIME:
            raise HmaDepthError(
                f"{path}, line {frame + 1}: a message can have no time before 1970 or after 2038"
            )
        return stamp

    @cached_property
    def _stamps(self) -> list[str]:
        text = read_text(self.times_file, "the times of the frames")
        return [line.strip() for line in text.splitlines()]


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
        folder = as_given(folder)
        if not folder.is_dir():
            raise HmaDepthError(f"no such KITTI drive: {folder} is not a folder")
        drive = cls(folder, annotated_root)
        if not drive.cameras:
            inside = sorted(
                path.name
                for depth in ("", "*/")
                for path in folder.glob(f"{depth}20*_drive_*_sync")
                if path.is_dir()
            )
            hint = f"; did you mean one of {', '.join(inside[:5])} inside it?" if inside else ""
            raise HmaDepthError(
                f"{folder} is not a KITTI raw drive: no images in image_00 to image_03/data{hint}"
            )
        if annotated_root is not None and not annotated_root.is_dir():
            raise HmaDepthError(f"no such folder of annotated depth: {annotated_root}")
        return drive

    @cached_property
    def name(self) -> str:
        """Such as `2011_09_26_drive_0001_sync`: the folder's, or else that of a link's target."""
        names = (self.folder.name, self.folder.resolve().name)
        return next((name for name in names if _NAME.fullmatch(name)), self.folder.name)

    @cached_property
    def calibration_folder(self) -> Path:
        """The day's, above the drive."""
        return calibration_folder(self.folder)

    @cached_property
    def calibration(self) -> KittiCalibration:
        """Calibration of the day."""
        return KittiCalibration.read(self.calibration_folder)

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
        name = f"{frame:010d}.png"
        path = Path(self.name, "proj_depth", "groundtruth", f"image_{camera:02d}", name)
        return first_file(self.annotated_root, ANNOTATED_PARTS, spellings(path))

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
        HmaDepthError: the file is missing, empty, or its size is not a whole number of points.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HmaDepthError(f"cannot read the LiDAR scan {path}: {error.strerror}") from error
    # Text is a multiple of 16 now and then; returns of a scanner are never ASCII alone.
    kind = kind_of(data[:512]) if data[:512].isascii() else None
    if len(data) % 16:
        raise HmaDepthError(
            f"{path} is not a velodyne scan, or it is cut short: {len(data)} bytes are no whole "
            "number of points of 16 bytes" + (f"; it is {kind}" if kind else "")
        )
    if kind:
        raise HmaDepthError(f"the LiDAR scan {path} is {kind}")
    return np.frombuffer(data, dtype="<f4").astype(np.float32).reshape(-1, 4)
