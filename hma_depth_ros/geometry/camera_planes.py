"""What the network is told of the camera: maps that are affine in the pixel.

The network answers for one focal length (BTS, section 4), as if every image came from one camera
that sees more or less of the world. So the maps are those of that camera too: a pixel a hundred
columns right of the principal point has the same ray in every image, whatever lens took it.

======== ===================================================================================
geometry maps
======== ===================================================================================
none     none
rays     x/z and y/z of each pixel's ray, optical frame (REP 103), at the training focal length
ground   x/z, and ten times the inverse depth (1/m) of a flat road seen there, for the camera's
         height and pitch; negative above the horizon
======== ===================================================================================

Both are affine in (u, v), so coefficients say it all, and the mean of a map over a block of pixels
is its value at the block's centre: coarser scales average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera

#: As `network.model_config.Geometry`, which this layer does not know.
CameraPlanes = Literal["none", "rays", "ground"]

#: Of the ground's inverse depth, so that its values are about as large as those of the rays.
GROUND_UNIT = 10.0  # metres


@dataclass(frozen=True)
class Mount:
    """Where a camera sits on the car."""

    height: float = 1.65  #: metres above the road; the default is KITTI's (Geiger et al., 2013)
    pitch: float = 0.0  #: radians that the optical axis points below the horizon

    def __post_init__(self) -> None:
        if not 0 < self.height < np.inf or not abs(self.pitch) < np.pi / 2:
            raise ValueError(f"not a mount: {self.height} m high, pitch {self.pitch} rad")


#: The mount of KITTI's cameras.
USUAL_MOUNT = Mount()


def plane_coefficients(
    kind: CameraPlanes, camera: PinholeCamera, *, focal_length: float | None, mount: Mount
) -> npt.NDArray[np.float32]:
    """Coefficients (C, 3) of each map a u + b v + c, of the camera of the network's input.

    Args:
        kind: which maps.
        camera: of the network's input.
        focal_length: in pixels, that the network's depth is metric for; None: the camera's own.
        mount: of the camera; counts for `ground` alone.

    """
    f = camera.fx if focal_length is None else focal_length
    # fy beside fx: pixels that are not square are one camera's two focal lengths.
    across = [1 / f, 0.0, -camera.cx / f]
    aspect = camera.fx / camera.fy
    down = [0.0, aspect / f, -aspect * camera.cy / f]
    if kind == "none":
        return np.zeros((0, 3), np.float32)
    if kind == "rays":
        return np.array([across, down], np.float32)
    # A point Z (x, y, 1) of the road: Z (y cos p + sin p) = height. The network's depth is
    # Z f / fx, and x, y of the training focal length are x fx / f.
    cos, sin = np.cos(mount.pitch), np.sin(mount.pitch)
    unit = GROUND_UNIT / mount.height
    ground = [unit * cos * value for value in down]
    ground[2] += unit * sin * camera.fx / f
    return np.array([across, ground], np.float32)
