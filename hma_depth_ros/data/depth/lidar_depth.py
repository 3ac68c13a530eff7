"""Ground truth from the LiDAR: one velodyne scan seen from a camera.

What Eigen et al. (2014) trained and scored on, before KITTI published annotated depth; it covers
every drive, and the first and last five frames too. A single scan is sparser than annotated depth
(which gathers eleven), and where the scanner on the roof looks past an edge that the camera does
not, a far return shines through a near object.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.frame_name import kitti_frame
from hma_depth_ros.data.kitti.calibration import KittiCalibration, calibration_folder
from hma_depth_ros.data.kitti.drive import load_velodyne
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import project
from hma_depth_ros.geometry.camera import PinholeCamera

Depth = npt.NDArray[np.float32]

#: Of a scan, DAY/DRIVE/velodyne_points/data/FRAME.bin.
SUFFIX = ".bin"
_FOLDERS = ("velodyne_points", "data")

#: Metres at which the median return of no LiDAR is; millimetres make 1 m of 1 mm.
_TOO_FAR = 500.0


@dataclass(frozen=True)
class LidarScan:
    """A scan as the ground truth of one camera's image; the day's calibration lies above it."""

    path: Path  #: DAY/DRIVE/velodyne_points/data/FRAME.bin
    camera: int  #: N of the folder image_0N

    @classmethod
    def of_image(cls, image: Path) -> LidarScan:
        """The scan taken with an image of the raw layout, DAY/DRIVE/image_02/data/FRAME.png.

        Raises:
            HmaDepthError: the image's path is not of that layout.

        """
        frame = kitti_frame(image)
        if frame is None or len(image.parts) < 4 or image.parts[-3] != f"image_0{frame.camera}":
            raise HmaDepthError(
                f"{image} is no image of KITTI's raw recordings, DRIVE/image_02/data/FRAME.png, "
                "beside which a LiDAR scan would lie"
            )
        drive = image.parent.parent.parent
        return cls(drive.joinpath(*_FOLDERS, image.stem + SUFFIX), frame.camera)

    @classmethod
    def listed(cls, path: Path, image: Path) -> LidarScan:
        """Scan that a list names as the ground truth of `image`, whose path tells the camera.

        Raises:
            HmaDepthError: one of the paths is not of the raw layout.

        """
        if path.parts[-3:-1] != _FOLDERS or path.suffix.lower() != SUFFIX:
            raise HmaDepthError(
                f"{path} is no scan of KITTI's raw recordings, "
                "DAY/DRIVE/velodyne_points/data/FRAME.bin"
            )
        return cls(path, cls.of_image(image).camera)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def day(self) -> Path:
        """Folder of the calibration, which all drives of a day share."""
        return calibration_folder(self.path.parents[2])

    def depth(self) -> Depth:
        """Depth (H, W) in metres, of the rectified image's official size; 0 where there is none.

        Raises:
            HmaDepthError: scan or calibration is missing or damaged, or without this camera.

        """
        points = load_velodyne(self.path)
        calibration = _calibration(self.day)
        to_camera = calibration.velodyne_to_camera(self.camera)
        return project_scan(points, to_camera, calibration.camera(self.camera))


@lru_cache(maxsize=32)
def _calibration(day: Path) -> KittiCalibration:
    return KittiCalibration.read(day)


def project_scan(
    points: npt.NDArray[np.floating], to_camera: npt.NDArray[np.float64], camera: PinholeCamera
) -> Depth:
    """Depth (H, W) in metres along the optical axis, 0 where no return falls.

    A return belongs to the pixel whose centre is nearest; of several in a pixel the nearest counts.
    (Older code subtracts 1 from the rounded pixel, a relic of MATLAB's counting from 1.)

    Args:
        points: (N, 3 or more), x y z in metres in the LiDAR's frame.
        to_camera: 4x4 transform from there to the camera's optical frame.
        camera: of the rectified image.

    Raises:
        HmaDepthError: the points are where no LiDAR sees any, so that unit or transform is wrong.

    """
    optical = points[:, :3] @ to_camera[:3, :3].T + to_camera[:3, 3]
    median = float(np.median(np.linalg.norm(optical, axis=1))) if len(optical) else 0.0
    if median > _TOO_FAR:
        raise HmaDepthError(
            f"the median point is {median:.0f} m from the camera: are they millimetres, or is the "
            "transform another one's? Points must be in metres (REP 103)"
        )
    u, v, z = project(optical[optical[:, 2] > 0], camera).T
    # Compared as floats: NaN and what no integer holds fail here.
    column, row = np.floor(u + 0.5), np.floor(v + 0.5)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    flat = row[inside].astype(np.intp) * camera.width + column[inside].astype(np.intp)
    nearest = np.full(camera.height * camera.width, np.inf)
    np.minimum.at(nearest, flat, z[inside])
    nearest[np.isinf(nearest)] = 0
    return nearest.astype(np.float32).reshape(camera.height, camera.width)
