"""The car itself, where its LiDAR and its camera see it.

What stays at one place before the LiDAR while the car moves is the car; the road does so too, for
one stretch of it looks like the next, and is told by its plane.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import project
from hma_depth_ros.geometry.camera import PinholeCamera

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Metres from the LiDAR within which its car is, and of the cells that are counted.
_REACH, _CELL = 3.0, 0.15
#: Share of the scans that have a return in a cell of the car or beside it, and of those in it; and
#: how many scans it takes to say so.
_STATIC, _OFTEN, _LEAST_SCANS = 0.9, 0.3, 10
#: Metres above the road below which a return is the road's.
_ROAD = 0.3
_TRIALS, _ROAD_REACH, _ON_PLANE = 200, 15.0, 0.1
#: Shares of the image's width that holes between neighbouring returns have at most.
_HOLE = 0.03


@dataclass(frozen=True)
class OwnVehicle:
    """Where returns and pixels are the car's own."""

    cells: frozenset[tuple[int, int, int]] = frozenset()  #: of the LiDAR's frame
    pixels: Mask | None = None  #: (H, W) of the image; None: none

    def hit(self, points: Points) -> Mask:
        """Which of (N, 3) points in the LiDAR's frame are the car's."""
        found = np.zeros(len(points), bool)
        if self.cells:
            near = np.flatnonzero((np.abs(points) < _REACH + _CELL).all(axis=1))
            keys = map(tuple, np.floor(points[near] / _CELL).astype(int).tolist())
            found[near] = [key in self.cells for key in keys]
        return found


def static_cells(scans: Sequence[Points]) -> frozenset[tuple[int, int, int]]:
    """Cells near the LiDAR in which nearly every scan has a return that is not the road's.

    Args:
        scans: (N, 3) returns in the LiDAR's frame, from places along the road.

    """
    if len(scans) < _LEAST_SCANS:
        return frozenset()
    plane = road_plane(np.concatenate([scan[::7] for scan in scans]))
    here, around = Counter[tuple[int, int, int]](), Counter[tuple[int, int, int]]()
    for scan in scans:
        near = scan[np.linalg.norm(scan, axis=1) < _REACH]
        if plane is not None:
            near = near[near @ plane[:3] + plane[3] > _ROAD]
        cells = np.unique(np.floor(near / _CELL).astype(int), axis=0)
        here.update(map(tuple, cells.tolist()))
        around.update(map(tuple, _with_neighbours(cells).tolist()))
    # Returns of one surface fall now into this cell and now into the next.
    static = [
        cell
        for cell, count in here.items()
        if count >= _OFTEN * len(scans) and around[cell] >= _STATIC * len(scans)
    ]
    grown = _with_neighbours(np.array(static, int).reshape(-1, 3))
    return frozenset(map(tuple, grown.tolist()))


def _with_neighbours(cells: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Cells (N, 3) and the 26 around each, every one once."""
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3)
    return np.unique((cells[:, None] + steps).reshape(-1, 3), axis=0)


def road_plane(points: Points) -> Points | None:
    """Plane (4,) with n . x + d the height above the road of (N, 3) points; None: there is none.

    The one with most points within 15 m (RANSAC, of a fixed seed).
    """
    random = np.random.default_rng(0)
    distance = np.linalg.norm(points, axis=1)
    near = points[(distance > 2.0) & (distance < _ROAD_REACH)]
    if len(near) < 100:
        return None
    near = random.permutation(near)[:5000]
    best, most = None, 0
    for triple in random.integers(0, len(near), (_TRIALS, 3)):
        a, b, c = near[triple]
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length < 1e-3:
            continue
        normal /= length
        offset = -float(normal @ a)
        if offset < 0:  # the LiDAR itself is above it
            normal, offset = -normal, -offset
        count = int((np.abs(near @ normal + offset) < _ON_PLANE).sum())
        if count > most and offset > 0.5:
            best, most = np.r_[normal, offset], count
    return best


def seen_by_camera(
    cells: frozenset[tuple[int, int, int]], to_camera: Points, camera: PinholeCamera
) -> Mask | None:
    """Pixels (H, W) in which the cells lie, and those between them; None: there are none."""
    if not cells:
        return None
    centres = (np.array(sorted(cells)) + 0.5) * _CELL
    optical = centres @ to_camera[:3, :3].T + to_camera[:3, 3]
    uvz = project(optical[optical[:, 2] > 0.1], camera)
    inside = (np.abs(uvz[:, 0] - camera.width / 2) < camera.width) & (
        np.abs(uvz[:, 1] - camera.height / 2) < camera.height
    )
    mask = np.zeros((camera.height, camera.width), np.uint8)
    for u, v, z in uvz[inside]:
        radius = max(1, round(camera.fx * _CELL / z / 2))
        cv2.circle(mask, (round(u), round(v)), radius, 1, -1)
    side = 2 * round(_HOLE * camera.width / 2) + 1
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    return closed.astype(bool) if closed.any() else None


def read_mask(path: Path, camera: PinholeCamera) -> Mask:
    """Pixels (H, W) of a picture that are not black.

    Raises:
        HmaDepthError: it cannot be read, or is of another size than the images.

    """
    mask = read_rgb(path).any(axis=2)
    if mask.shape != (camera.height, camera.width):
        raise HmaDepthError(
            f"--ego-mask {path} is {mask.shape[1]}x{mask.shape[0]}, the images are "
            f"{camera.width}x{camera.height}"
        )
    return mask
