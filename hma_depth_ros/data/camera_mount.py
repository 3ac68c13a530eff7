"""Where a camera sits on its car, by the road in its ground truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.ground_plane import fit_ground
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount

#: Frames with a road that it takes to say so.
_LEAST_FRAMES = 3


def mount_of(
    frames: Iterable[tuple[npt.NDArray[np.float32], PinholeCamera]],
) -> Mount | None:
    """Height and pitch of a camera: the median over frames; None where few show a road.

    Args:
        frames: depth (H, W) in metres, 0 unknown, and its camera.

    """
    random = np.random.default_rng(0)
    found = []
    for depth, camera in frames:
        plane = fit_ground(depth, camera.fy, random)
        if plane is None:
            continue
        # 1 / Z = n . (x, y, 1) / h, with the unit normal n pointing down to the road.
        across, down = plane.across * camera.fx, plane.down * camera.fy
        ahead = plane.across * camera.cx + plane.down * camera.cy + plane.offset
        length = float(np.sqrt(across**2 + down**2 + ahead**2))
        found.append((1 / length, float(np.arctan2(ahead, down))))
    if len(found) < _LEAST_FRAMES:
        return None
    height, pitch = np.median(found, axis=0).tolist()
    return Mount(height, pitch)
