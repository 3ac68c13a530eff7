"""The rays of three sensors over one scene: camera pixels, LiDAR firings, and sunlight.

All three are a grid of rays, so one ray caster (`casting.py`) serves them. What differs is only
which part of the grid a thing can cover, and that is what `windows` tells.

Everything is computed relative to the grid's origin in float32: within 200 m that resolves 16 um.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NEAR = 0.05  #: metres before the camera at which things are cut off
#: Pairs of a box's corners (numbered by the bits x, y, z) that an edge joins.
_EDGES = np.array([(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit])


@dataclass(frozen=True, eq=False)
class Windows:
    """Rectangles of the ray grid that contain all rays meeting a thing; may be empty."""

    bounds: Ints  #: (N, 4): first row, row after the last, first column, column after the last
    nearest: Floats  #: (N) no ray meets the thing at a smaller parameter t

    @property
    def area(self) -> Ints:
        """(N) number of rays in each window."""
        top, bottom, left, right = self.bounds.T
        return np.maximum(bottom - top, 0) * np.maximum(right - left, 0)

    @property
    def order(self) -> Ints:
        """Things with a window that is not empty, the nearest first."""
        seen = np.flatnonzero(self.area)
        return seen[np.argsort(self.nearest[seen], kind="stable")]


@dataclass(frozen=True, eq=False)
class Rays(ABC):
    """A grid of H x W rays: points ``origin + starts + t directions`` with t > 0."""

    origin: Doubles  #: (3) in the world, metres
    starts: Floats  #: (3, H, W), or (3, 1, 1) where all rays start at the origin
    directions: Floats  #: (3, H, W), or (3, 1, 1) where all rays are parallel
    shape: tuple[int, int]  #: H, W

    @abstractmethod
    def windows(self, corners: Doubles) -> Windows:
        """Windows of things within the boxes (N, 8, 3), corners numbered by the bits x, y, z."""

    @property
    @abstractmethod
    def spread(self) -> float:
        """Distance between neighbouring rays, in metres per unit of t."""

    def flat_starts(self, indices: Ints) -> Floats:
        """Starting points (3, n) of the rays with these flat indices, relative to `origin`."""
        return _take(self.starts, indices)

    def flat_directions(self, indices: Ints) -> Floats:
        """Directions (3, n) of the rays with these flat indices."""
        return _take(self.directions, indices)


def _take(values: Floats, indices: Ints) -> Floats:
    flat = values.reshape(3, -1)
    return flat if flat.shape[1] == 1 else np.take(flat, indices, axis=1)


@dataclass(frozen=True, eq=False)
class CameraRays(Rays):
    """Rays through a pinhole camera; t is the depth along the optical axis.

    With `sampling` s the grid has s rays per pixel and axis, and row ``s v + s - 1`` and column
    ``s u + s - 1`` pass exactly through the centre of pixel (u, v): the depth image is a slice of
    the finer grid, and a tent filter over the finer grid is centred on each pixel.
    """

    camera: PinholeCamera
    rotation: Doubles  #: 3x3, camera to world
    sampling: int

    @classmethod
    def through(
        cls, camera: PinholeCamera, camera_to_world: Doubles, *, sampling: int = 1
    ) -> CameraRays:
        """Rays of a camera at a pose (4x4, optical frame to world)."""
        rows, columns = (sampling * n + sampling - 1 for n in (camera.height, camera.width))
        u = (np.arange(columns) - (sampling - 1)) / sampling
        v = (np.arange(rows) - (sampling - 1)) / sampling
        x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
        rotation = camera_to_world[:3, :3]
        directions = np.empty((3, rows, columns), np.float32)
        for axis in range(3):
            along_x, along_y, along_z = rotation[axis]
            directions[axis] = along_x * x + (along_y * y + along_z)[:, None]
        return cls(
            origin=camera_to_world[:3, 3],
            starts=np.zeros((3, 1, 1), np.float32),
            directions=directions,
            shape=(rows, columns),
            camera=camera,
            rotation=rotation,
            sampling=sampling,
        )

    @property
    def pixel_centres(self) -> tuple[slice, slice]:
        """Rows and columns of the grid that are the pixels' centres."""
        every = slice(self.sampling - 1, None, self.sampling)
        return every, every

    @property
    def spread(self) -> float:
        """Width of a ray's share of the image at a depth of one metre."""
        return 1 / (self.camera.fx * self.sampling)

    def windows(self, corners: Doubles) -> Windows:
        """See `Rays`; boxes that reach behind the camera are cut at the near plane first."""
        points = (corners - self.origin) @ self.rotation
        z = points[..., 2]
        start, end = points[:, _EDGES[:, 0]], points[:, _EDGES[:, 1]]
        crossing = (start[..., 2] > _NEAR) != (end[..., 2] > _NEAR)
        rise = np.where(crossing, end[..., 2] - start[..., 2], 1)
        cut = start + (end - start) * ((_NEAR - start[..., 2]) / rise)[..., None]
        candidates = np.concatenate([points, cut], axis=1)
        valid = np.concatenate([z > _NEAR, crossing], axis=1)
        depth = np.where(valid, np.maximum(candidates[..., 2], _NEAR), 1)
        u = self.camera.fx * candidates[..., 0] / depth + self.camera.cx
        v = self.camera.fy * candidates[..., 1] / depth + self.camera.cy
        first = self.sampling - 1
        columns = _extent(u * self.sampling + first, valid, self.shape[1])
        rows = _extent(v * self.sampling + first, valid, self.shape[0])
        nearest = np.maximum(z.min(axis=1), 0).astype(np.float32)
        return Windows(np.stack([*rows, *columns], axis=1), nearest)


def _extent(values: Doubles, valid: npt.NDArray[np.bool_], size: int) -> tuple[Ints, Ints]:
    """First index and index after the last between 0 and `size` of the valid values (N, M)."""
    low = np.where(valid, values, np.inf).min(axis=1)
    high = np.where(valid, values, -np.inf).max(axis=1)
    first = np.clip(np.ceil(low), 0, size).astype(np.int64)
    after = np.clip(np.floor(high) + 1, 0, size).astype(np.int64)
    return first, after


@dataclass(frozen=True, eq=False)
class LidarRays(Rays):
    """Firings of a spinning scanner, one row per beam; t is the range.

    The grid is half a turn or less wide, since a window must not go around.
    """

    rotation: Doubles  #: 3x3, scanner to world
    elevations: Doubles  #: (H) descending, rad
    azimuths: Doubles  #: (W) ascending, rad, counter-clockwise from forward

    @classmethod
    def fired(cls, elevations: Doubles, azimuths: Doubles, lidar_to_world: Doubles) -> LidarRays:
        """Rays of beams (H) at azimuths (W), both in rad, of a scanner at a pose (4x4)."""
        rotation = lidar_to_world[:3, :3]
        local = spherical(elevations[:, None], azimuths)
        directions = np.tensordot(rotation, local, 1).astype(np.float32)
        return cls(
            origin=lidar_to_world[:3, 3],
            starts=np.zeros((3, 1, 1), np.float32),
            directions=directions,
            shape=(elevations.size, azimuths.size),
            rotation=rotation,
            elevations=elevations,
            azimuths=azimuths,
        )

    @property
    def spread(self) -> float:
        """Angle between neighbouring firings of a beam."""
        return float(self.azimuths[1] - self.azimuths[0])

    def windows(self, corners: Doubles) -> Windows:
        """See `Rays`; bounds are generous where a thing is close or behind."""
        points = (corners - self.origin) @ self.rotation
        centre = points.mean(axis=1)
        radius = np.linalg.norm(points - centre[:, None], axis=2).max(axis=1)
        nearest = np.maximum(np.linalg.norm(centre, axis=1) - radius, 0)

        middle = self.azimuths.mean()
        angles = np.arctan2(points[..., 1], points[..., 0]) - middle
        angles = (angles + np.pi) % (2 * np.pi) - np.pi
        low, high = angles.min(axis=1), angles.max(axis=1)
        around = high - low > np.pi  # behind the grid, or about the scanner: look everywhere
        low, high = np.where(around, -np.pi, low), np.where(around, np.pi, high)
        left = np.searchsorted(self.azimuths - middle, low)
        right = np.searchsorted(self.azimuths - middle, high, side="right")

        # The highest elevation of a wall is at its nearest point, which need not be a corner.
        across = np.linalg.norm(points[..., :2] - centre[:, None, :2], axis=2).max(axis=1)
        distance = np.linalg.norm(centre[:, :2], axis=1)
        near, far = np.maximum(distance - across, 1e-3), distance + across
        top, bottom = points[..., 2].max(axis=1), points[..., 2].min(axis=1)
        highest = np.arctan2(top, np.where(top > 0, near, far))
        lowest = np.arctan2(bottom, np.where(bottom > 0, far, near))
        first = np.searchsorted(-self.elevations, -highest)
        after = np.searchsorted(-self.elevations, -lowest, side="right")
        bounds = np.stack([first, after, left, right], axis=1).astype(np.int64)
        return Windows(bounds, nearest.astype(np.float32))


def spherical(elevation: Doubles, azimuth: Doubles) -> Doubles:
    """Unit vectors (3, ...), x forward, y left, z up."""
    return np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        )
    )


@dataclass(frozen=True, eq=False)
class SunRays(Rays):
    """Parallel rays of sunlight over a rectangle of ground; t is the way from a plane far up."""

    axes: Doubles  #: 3x3, rows: right, down and along the light, unit vectors in the world
    corner: Doubles  #: (2) of the first ray along right and down, from the origin
    pitch: float  #: distance between rays in metres

    @classmethod
    def over(cls, footprint: Doubles, to_sun: Doubles, *, pitch: float, height: float) -> SunRays:
        """Rays that reach all ground within the polygon `footprint` (N, 3), metres in the world.

        They start above everything that is lower than `height`.
        """
        along = -to_sun / np.linalg.norm(to_sun)
        right = np.cross([0.0, 0.0, 1.0], along)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(along, right), along])
        origin = footprint.mean(axis=0)
        flat = (footprint - origin) @ axes[:2].T
        corner = flat.min(axis=0)
        columns, rows = (np.ceil((flat.max(axis=0) - corner) / pitch) + 1).astype(int).tolist()
        x = corner[0] + pitch * np.arange(columns)
        y = corner[1] + pitch * np.arange(rows)
        back = (height + np.ptp(footprint[:, 2])) / max(-along[2], 0.1) + np.abs(flat).max()
        plane = axes[0][:, None, None] * x + axes[1][:, None, None] * y[:, None]
        return cls(
            origin=origin,
            starts=(plane - back * along[:, None, None]).astype(np.float32),
            directions=along.astype(np.float32).reshape(3, 1, 1),
            shape=(rows, columns),
            axes=axes,
            corner=corner,
            pitch=pitch,
        )

    @property
    def back(self) -> float:
        """Distance of the starting plane from the origin."""
        return float(-(self.axes[2] @ self.starts[:, 0, 0]))

    @property
    def spread(self) -> float:
        """Parallel rays do not spread."""
        return 0.0

    def windows(self, corners: Doubles) -> Windows:
        """See `Rays`."""
        points = (corners - self.origin) @ self.axes.T
        everywhere = np.ones(points.shape[:2], bool)
        grid = (points[..., :2] - self.corner) / self.pitch
        columns = _extent(grid[..., 0], everywhere, self.shape[1])
        rows = _extent(grid[..., 1], everywhere, self.shape[0])
        nearest = (points[..., 2].min(axis=1) + self.back).astype(np.float32)
        return Windows(np.stack([*rows, *columns], axis=1), nearest)
