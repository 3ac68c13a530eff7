"""KITTI's calibration files: who sees what from where.

Source: Geiger, Lenz, Stiller, Urtasun, "Vision meets Robotics: The KITTI Dataset", IJRR 2013, and
the readme of the raw data development kit, whose names (S, K, D, R, T, S_rect, R_rect, P_rect) are
kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_limits import UNPROVEN_PIXELS
from hma_depth_ros.data.kitti import standard_calibration as standard
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.geometry.camera import PinholeCamera

Matrix = npt.NDArray[np.float64]

CAMERAS_FILE = "calib_cam_to_cam.txt"
VELODYNE_FILE = "calib_velo_to_cam.txt"
IMU_FILE = "calib_imu_to_velo.txt"

#: Shape of each value of a camera, in the order in which KITTI writes them.
_CAMERA_SHAPES: dict[str, tuple[int, ...]] = {
    "S": (2,),
    "K": (3, 3),
    "D": (5,),
    "R": (3, 3),
    "T": (3,),
    "S_rect": (2,),
    "R_rect": (3, 3),
    "P_rect": (3, 4),
}
#: Side of an image in pixels.
_LARGEST = 65535


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """One camera before and after rectification. Lengths in metres, image sizes in pixels."""

    S: tuple[int, int]  #: width, height of the raw image
    K: Matrix  #: 3x3 intrinsics of the raw image
    D: Matrix  #: 5 distortion coefficients k1 k2 p1 p2 k3 (OpenCV's plumb_bob)
    R: Matrix  #: 3x3 rotation from camera 0 to this camera, both unrectified
    T: Matrix  #: 3 translation from camera 0 to this camera, both unrectified
    S_rect: tuple[int, int]  #: width, height of the rectified image
    R_rect: Matrix  #: 3x3 rectifying rotation
    P_rect: Matrix  #: 3x4 projection from *rectified camera 0* to the rectified image

    @property
    def rectified(self) -> PinholeCamera:
        """Pinhole camera of the rectified image."""
        width, height = self.S_rect
        return PinholeCamera.from_projection(
            self.P_rect.ravel().tolist(), width=width, height=height
        )

    @property
    def offset_from_camera_0(self) -> Matrix:
        """Translation (3) taking points of rectified camera 0 to this rectified camera.

        ``P_rect = K_rect [I | t]``; the rectified cameras differ by t alone. It is mostly the
        baseline, but for cameras 2 and 3 also some millimetres up and forward.
        """
        return np.asarray(np.linalg.solve(self.P_rect[:, :3], self.P_rect[:, 3]))


@dataclass(frozen=True, eq=False)
class KittiCalibration:
    """The three calibration files of a recording day, as 4x4 rigid transforms and cameras.

    ``a_to_b`` turns homogeneous points of frame a into points of frame b. The velodyne and IMU
    frames are x forward, y left, z up; camera frames are optical (REP 103: x right, y down,
    z forward).
    """

    cameras: Mapping[int, CameraCalibration]  #: by number: 0, 1 grey and 2, 3 colour, left, right
    velodyne_to_unrectified: Matrix  #: 4x4, velodyne to *unrectified* camera 0
    imu_to_velodyne: Matrix  #: 4x4; NaN where there is no IMU

    @classmethod
    def read(cls, date_folder: Path) -> KittiCalibration:
        """Read the calibration of a day (`ROOT/2011_09_26`); the IMU's may be absent.

        Raises:
            HmaDepthError: a file or key is missing or malformed, naming both.

        """
        imu = date_folder / IMU_FILE
        return cls(
            cameras=read_cameras(date_folder / CAMERAS_FILE),
            velodyne_to_unrectified=_read_transform(date_folder / VELODYNE_FILE),
            imu_to_velodyne=_read_transform(imu) if imu.exists() else np.full((4, 4), np.nan),
        )

    @classmethod
    def standard(cls) -> KittiCalibration:
        """Calibration of 2011_09_26, the day of most KITTI drives, as published."""
        return cls(
            cameras=_parse_cameras(_parse(standard.CAMERAS, CAMERAS_FILE), CAMERAS_FILE),
            velodyne_to_unrectified=_parse_transform(
                _parse(standard.VELODYNE, VELODYNE_FILE), VELODYNE_FILE
            ),
            imu_to_velodyne=_parse_transform(_parse(standard.IMU, IMU_FILE), IMU_FILE),
        )

    def write(self, date_folder: Path) -> None:
        """Write the three files; `read` gives back exactly the same numbers."""
        lines = [_CALIB_TIME, f"corner_dist: {_format([0.0995])}"]
        for index, camera in sorted(self.cameras.items()):
            for key in _CAMERA_SHAPES:
                values = np.ravel(getattr(camera, key)).tolist()
                lines.append(f"{key}_{index:02d}: {_format(values)}")
        _write_lines(date_folder / CAMERAS_FILE, lines)
        # delta_f and delta_c are unused, but the development kit's readers expect them.
        unused = [f"{key}: {_format([0.0, 0.0])}" for key in ("delta_f", "delta_c")]
        _write_lines(
            date_folder / VELODYNE_FILE, _transform_lines(self.velodyne_to_unrectified) + unused
        )
        _write_lines(date_folder / IMU_FILE, _transform_lines(self.imu_to_velodyne))

    def camera(self, index: int) -> PinholeCamera:
        """Pinhole camera of the rectified images in `image_<index>`."""
        return self.calibration(index).rectified

    def calibration(self, index: int) -> CameraCalibration:
        """Everything known of camera `index`.

        Raises:
            HmaDepthError: the calibration has no such camera.

        """
        if index not in self.cameras:
            known = ", ".join(map(str, sorted(self.cameras)))
            raise HmaDepthError(f"the calibration has no camera {index}, only {known}")
        return self.cameras[index]

    def velodyne_to_camera(self, index: int) -> Matrix:
        """4x4 transform from the velodyne to the *rectified* optical frame of camera `index`.

        With this one, ``camera(index)`` projects: both R_rect_00 and the shift in the fourth
        column of P_rect are in it, so that ``K_rect (T x)`` equals the development kit's
        ``P_rect R_rect_00 T_velo_cam x``.
        """
        shift = rigid_transform(np.eye(3), self.calibration(index).offset_from_camera_0)
        rectify = rigid_transform(self.calibration(0).R_rect, np.zeros(3))
        return np.asarray(shift @ rectify @ self.velodyne_to_unrectified)


def calibration_folder(drive: Path) -> Path:
    """Folder of a drive's calibration: the one that the drive is in, by the path as it is given.

    Where the drive is a link and no calibration lies beside that, the one beside its target.
    """
    folders = (drive.parent, drive.resolve().parent)
    return next((path for path in folders if (path / CAMERAS_FILE).is_file()), drive.parent)


def read_cameras(path: Path) -> dict[int, CameraCalibration]:
    """Read one `calib_cam_to_cam.txt` alone: the cameras by number.

    Raises:
        HmaDepthError: the file or a key is missing or malformed, naming both.

    """
    return _parse_cameras(read_entries(path), path)


def rigid_transform(rotation: Matrix, translation: Matrix) -> Matrix:
    """4x4 matrix of a 3x3 rotation and a translation (3)."""
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = translation
    return transform


_CALIB_TIME = "calib_time: 09-Jan-2012 13:57:47"


def read_entries(path: Path) -> dict[str, str]:
    """Lines `KEY: VALUE` of a calibration file.

    Raises:
        HmaDepthError: the file is missing or something else.

    """
    hint = "the calibration of a day (2011_MM_DD_calib.zip) is unpacked beside its drives"
    return _parse(read_text(path, "the KITTI calibration", hint=hint), path)


def _parse(text: str, path: Path | str) -> dict[str, str]:
    """Split `KEY: VALUE` lines."""
    entries: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        if not colon:
            raise HmaDepthError(
                f"{path}, line {number}: not a KITTI calibration, expected KEY: VALUE"
            )
        if entries.setdefault(key.strip(), value) != value:
            raise HmaDepthError(f"{path}, line {number}: {key.strip()} again, with another value")
    return entries


def numbers_of(
    entries: Mapping[str, str], key: str, shape: tuple[int, ...], path: Path | str
) -> Matrix:
    """Finite numbers of one key, in that shape.

    Raises:
        HmaDepthError: the key is missing or holds something else.

    """
    if key not in entries:
        raise HmaDepthError(f"{path} has no key {key}")
    try:
        values = np.array([float(word) for word in entries[key].split()])
    except ValueError as error:
        raise HmaDepthError(f"{path}, {key}: {error}") from error
    if not np.isfinite(values).all():
        raise HmaDepthError(f"{path}, {key}: not every number is finite")
    if values.size != np.prod(shape):
        raise HmaDepthError(f"{path}, {key}: {values.size} numbers, expected {np.prod(shape)}")
    return values.reshape(shape)


def _parse_cameras(entries: Mapping[str, str], path: Path | str) -> dict[int, CameraCalibration]:
    indices = [index for index in range(4) if f"P_rect_{index:02d}" in entries]
    if not indices:
        raise HmaDepthError(f"{path} has no key P_rect_02, nor that of any other camera")
    return {index: _parse_camera(entries, index, path) for index in indices}


def _parse_camera(entries: Mapping[str, str], index: int, path: Path | str) -> CameraCalibration:
    values = {
        key: numbers_of(entries, f"{key}_{index:02d}", shape, path)
        for key, shape in _CAMERA_SHAPES.items()
    }
    for key in ("R", "R_rect"):
        check_rotation(values[key], f"{key}_{index:02d}", path)
    camera = CameraCalibration(
        S=_size(values["S"], f"S_{index:02d}", path),
        K=values["K"],
        D=values["D"],
        R=values["R"],
        T=values["T"],
        S_rect=_size(values["S_rect"], f"S_rect_{index:02d}", path),
        R_rect=values["R_rect"],
        P_rect=values["P_rect"],
    )
    try:
        _ = camera.rectified, camera.offset_from_camera_0
    except (ValueError, np.linalg.LinAlgError) as error:
        raise HmaDepthError(
            f"{path}, P_rect_{index:02d} and S_rect_{index:02d}: {error}"
        ) from error
    return camera


def _read_transform(path: Path) -> Matrix:
    return _parse_transform(read_entries(path), path)


def _parse_transform(entries: Mapping[str, str], path: Path | str) -> Matrix:
    rotation = numbers_of(entries, "R", (3, 3), path)
    check_rotation(rotation, "R", path)
    return rigid_transform(rotation, numbers_of(entries, "T", (3,), path))


def check_rotation(matrix: Matrix, key: str, path: Path | str) -> None:
    """See that a matrix turns and does nothing else, to the digits that files have.

    Raises:
        HmaDepthError: it does not.

    """
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0:
        raise HmaDepthError(f"{path}, {key}: not a rotation matrix")


def _size(values: Matrix, key: str, path: Path | str) -> tuple[int, int]:
    width, height = values.tolist()
    sides = (width, height)
    if not all(1 <= s <= _LARGEST and s.is_integer() for s in sides) or (
        width * height > UNPROVEN_PIXELS
    ):
        raise HmaDepthError(f"{path}, {key}: not an image size: {width:g}x{height:g}")
    return int(width), int(height)


def _transform_lines(transform: Matrix) -> list[str]:
    rotation, translation = transform[:3, :3].ravel().tolist(), transform[:3, 3].tolist()
    return [_CALIB_TIME, f"R: {_format(rotation)}", f"T: {_format(translation)}"]


def _format(values: Iterable[float]) -> str:
    """KITTI's seven digits where they say it all, otherwise as many as it takes."""
    return " ".join(
        short if float(short := f"{value:.6e}") == value else f"{value:.16e}" for value in values
    )


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
