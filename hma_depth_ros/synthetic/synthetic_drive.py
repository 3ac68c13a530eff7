"""A synthetic drive in memory: frames by number, each a pure function of seed and number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.kitti.calibration import CameraCalibration, KittiCalibration
from hma_depth_ros.data.kitti.drive import parse_timestamp
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.synthetic import imaging, lidar, shading
from hma_depth_ros.synthetic.casting import Hits, cast
from hma_depth_ros.synthetic.ground import cast_ground
from hma_depth_ros.synthetic.occlusion import ContactShade
from hma_depth_ros.synthetic.rays import CameraRays
from hma_depth_ros.synthetic.scene import Scene
from hma_depth_ros.synthetic.shadows import ShadowMap
from hma_depth_ros.synthetic.solids import SolidSet
from hma_depth_ros.synthetic.trajectory import Trajectory

Doubles = npt.NDArray[np.float64]

CAMERA = 2  #: the left colour camera, whose images the literature uses
#: KITTI's camera 2 on 2011_09_26, rectified.
KITTI_CAMERA = KittiCalibration.standard().camera(CAMERA)
FRAME_INTERVAL_NS = 100_000_000  #: 10 Hz
START_NS = parse_timestamp("2011-09-26 13:02:25.000000000")

_SHADOW_STEP = 24.0  #: metres of street after which a new shadow map is made
_SHADOW_AHEAD, _SHADOW_BEHIND, _SHADOW_ASIDE = 85.0, 14.0, 28.0


class SyntheticDrive:
    """A street and a car driving along it.

    Frames can be had in any order and in any process: frame i of a seed is always the same. The
    street goes on for ever, so `frames` only says where iteration ends.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        frames: int = 20,
        camera: PinholeCamera = KITTI_CAMERA,
        sampling: int = 2,
        mount: Mount = USUAL_MOUNT,
    ) -> None:
        """Draw the street.

        Args:
            seed: which street and drive, not negative.
            frames: length of the drive, at 10 Hz and 10 m/s.
            camera: intrinsics and size of the image, in the place of KITTI's camera 2.
            sampling: rays per pixel and axis; 2 gives smooth edges, 1 takes a third of the time.
            mount: of the camera; the LiDAR beside it stays level.

        Raises:
            ValueError: a negative seed, no frames or no rays.

        """
        if seed < 0 or frames < 1 or sampling < 1:
            raise ValueError(
                f"seed must not be negative, frames and sampling must be positive: "
                f"{seed=}, {frames=}, {sampling=}"
            )
        self.seed, self.frames, self.camera, self.sampling = seed, frames, camera, sampling
        self.mount = mount
        self.calibration = _calibration_of(camera, mount)
        self.scene = Scene(seed)
        self.trajectory = Trajectory.random(
            np.random.default_rng([seed, 1001]), self.scene.style, mount
        )
        self.exposure = imaging.Exposure.random(
            np.random.default_rng([seed, 1002]), self.scene.style.light
        )
        self._shadows_of = lru_cache(maxsize=2)(self._cast_shadows)

    def __reduce__(self) -> tuple[partial[SyntheticDrive], tuple[()]]:
        """Pickle as the arguments, for the worker processes of a data loader."""
        again = partial(
            SyntheticDrive,
            seed=self.seed,
            frames=self.frames,
            camera=self.camera,
            sampling=self.sampling,
            mount=self.mount,
        )
        return again, ()

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        """Frames in order of time."""
        return map(self.frame, range(self.frames))

    def frame(self, index: int) -> SyntheticFrame:
        """Frame by number from 0; what it holds is computed when first asked for.

        Raises:
            IndexError: the drive has no such frame.

        """
        if not 0 <= index < self.frames:
            raise IndexError(f"the drive has frames 0 to {self.frames - 1}, not {index}")
        return SyntheticFrame(self, index)

    def imu_to_world(self, time: float) -> Doubles:
        """4x4 pose of the IMU (x forward, y left, z up) at any `time` in seconds."""
        imu_to_camera = (
            self.calibration.velodyne_to_camera(CAMERA) @ self.calibration.imu_to_velodyne
        )
        return self.trajectory.camera_to_world(time) @ imu_to_camera

    def shadows(self, x: float) -> ShadowMap:
        """Shadows of all that stands, around a camera at x on the street."""
        return self._shadows_of(int(np.floor(x / _SHADOW_STEP)))

    def _cast_shadows(self, step: int) -> ShadowMap:
        style, start = self.scene.style, step * _SHADOW_STEP
        ends = (start - _SHADOW_BEHIND, start + _SHADOW_STEP + _SHADOW_AHEAD)
        footprint = np.array(
            [
                [x, style.street.middle(x) + aside, height]
                for x in (*ends, sum(ends) / 2)
                for aside in (-_SHADOW_ASIDE, _SHADOW_ASIDE)
                for height in (0.0, 8.0)
            ]
        )
        return ShadowMap.of(self.scene.standing(start), footprint, style.light.to_sun)


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One moment of a drive.

    What is asked for is kept, and with it the hits of all rays: 60 MB at KITTI's size. Let go of a
    frame when it is done with.
    """

    drive: SyntheticDrive
    index: int

    @property
    def time(self) -> float:
        """Seconds since the first frame."""
        return self.index * FRAME_INTERVAL_NS * 1e-9

    @property
    def stamp_ns(self) -> int:
        """Nanoseconds since 1970: the afternoon on which KITTI's first drive was recorded."""
        return START_NS + self.index * FRAME_INTERVAL_NS

    @property
    def camera_to_world(self) -> Doubles:
        """4x4; world: x along the street, y left, z up, z = 0 on the road."""
        return self.drive.trajectory.camera_to_world(self.time)

    @property
    def lidar_to_world(self) -> Doubles:
        """4x4, from the place of KITTI's scanner beside the camera."""
        return self.camera_to_world @ self.drive.calibration.velodyne_to_camera(CAMERA)

    @cached_property
    def image(self) -> npt.NDArray[np.uint8]:
        """RGB (H, W, 3)."""
        drive, x = self.drive, self.drive.trajectory.x(self.time)
        style = drive.scene.style
        shadows = drive.shadows(x).with_solids(self._traffic)
        middle = np.array([x + 35.0, style.street.middle(x + 35.0)])
        reach = np.array([45.0, 30.0])
        contact = ContactShade.of(self._solids, middle - reach, middle + reach)
        light = shading.radiance(
            self._rays, self._hits, self._solids, style, shading.Shade(shadows, contact)
        )
        noise = np.random.default_rng([drive.seed, 1003, self.index])
        return imaging.photograph(light, self._rays, drive.exposure, noise)

    @cached_property
    def depth(self) -> npt.NDArray[np.float32]:
        """Exact depth (H, W) in metres along the optical axis; +inf in the sky."""
        return np.ascontiguousarray(self._hits.t[self._rays.pixel_centres])

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """Cityscapes ids (H, W), see `materials.Label`."""
        rays, camera = self._rays, self.drive.camera
        indices = np.arange(self._hits.t.size).reshape(rays.shape)[rays.pixel_centres]
        labels = shading.semantic_labels(
            rays, self._hits, self._solids, self.drive.scene.style, indices.ravel()
        )
        return labels.reshape(camera.height, camera.width)

    @cached_property
    def lidar(self) -> npt.NDArray[np.float32]:
        """Points (N, 4): x forward, y left, z up in metres, and reflectance in [0, 1]."""
        noise = np.random.default_rng([self.drive.seed, 1004, self.index])
        return lidar.scan(self._solids, self.drive.scene.style, self.lidar_to_world, noise)

    @cached_property
    def _traffic(self) -> SolidSet:
        return self.drive.scene.traffic(self.drive.trajectory.x(self.time), self.time)

    @cached_property
    def _solids(self) -> SolidSet:
        x = self.drive.trajectory.x(self.time)
        scene = self.drive.scene
        return SolidSet.union([scene.standing(x), scene.landscape(x), self._traffic])

    @cached_property
    def _rays(self) -> CameraRays:
        return CameraRays.through(
            self.drive.camera, self.camera_to_world, sampling=self.drive.sampling
        )

    @cached_property
    def _hits(self) -> Hits:
        hits = Hits.nothing(self._rays.shape)
        cast(self._rays, self._solids, hits)
        cast_ground(self._rays, self.drive.scene.style.street, hits)
        return hits


def _calibration_of(camera: PinholeCamera, mount: Mount) -> KittiCalibration:
    """KITTI's calibration with another rectified camera in camera 2's place.

    All cameras look as far below the horizon as the mount says; LiDAR and IMU stay level.
    """
    standard = KittiCalibration.standard()
    known: CameraCalibration = standard.calibration(CAMERA)
    p_rect = camera.matrix @ np.column_stack([np.eye(3), known.offset_from_camera_0])
    ours = replace(known, S_rect=(camera.width, camera.height), P_rect=p_rect)
    cameras = {**standard.cameras, CAMERA: ours}
    if mount.pitch:
        # Points of cameras that look down: what is straight ahead lies higher in them (y is down).
        cos, sin = np.cos(mount.pitch), np.sin(mount.pitch)
        down = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        cameras = {
            number: replace(each, R_rect=down @ each.R_rect) for number, each in cameras.items()
        }
    return replace(standard, cameras=cameras)
