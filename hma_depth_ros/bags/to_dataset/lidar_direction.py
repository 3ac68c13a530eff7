"""Whether a transform from LiDAR to camera can be one: what falls into the image, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import project
from hma_depth_ros.geometry.camera import PinholeCamera

Points = npt.NDArray[np.float64]

#: Share of the returns that has to fall into the image; of a LiDAR that looks all around it is a
#: fifth, and of its 16 beams, seen through a long lens, a hundredth.
_LEAST_INSIDE = 0.001
#: Correlation of row and nearness that a road gives, and that chance does not.
_ROAD_BELOW, _NO_ROAD = 0.3, 0.1


@dataclass(frozen=True)
class Fit:
    """How returns lie in the image."""

    ahead: float  #: share in front of the camera
    inside: float  #: share in the image
    below: float  #: correlation of the row with 1/depth there: a road is nearer further down

    @property
    def is_plausible(self) -> bool:
        """Whether an image of a road can look so."""
        return self.inside >= _LEAST_INSIDE and self.below >= _ROAD_BELOW


def fit_of(scans: Sequence[Points], to_camera: Points, camera: PinholeCamera) -> Fit:
    """Of (N, 3) returns in the LiDAR's frame."""
    points = np.concatenate(list(scans))
    optical = points @ to_camera[:3, :3].T + to_camera[:3, 3]
    uvz = project(optical[optical[:, 2] > 0.5], camera)
    inside = (np.abs(uvz[:, 0] - (camera.width - 1) / 2) < camera.width / 2) & (
        np.abs(uvz[:, 1] - (camera.height - 1) / 2) < camera.height / 2
    )
    row, near = uvz[inside, 1], 1 / uvz[inside, 2]
    below = 0.0
    if row.size > 10 and row.std() > 0 and near.std() > 0:
        below = float(np.corrcoef(row, near)[0, 1])
    count = max(len(points), 1)
    return Fit(len(uvz) / count, float(inside.sum()) / count, below)


def check_direction(
    scans: Sequence[Points], to_camera: Points, camera: PinholeCamera, source: str
) -> Fit:
    """How the returns lie in the image.

    Args:
        scans: some, (N, 3) in the LiDAR's frame.
        to_camera: 4x4, from there to the optical frame.
        camera: of the images.
        source: of the transform, for the error.

    Raises:
        HmaDepthError: they cannot lie so, while with the inverse transform they would; they lie
            upside down; or none is in the image.

    """
    found = fit_of(scans, to_camera, camera)
    if found.is_plausible:
        return found
    turned = fit_of(scans, np.asarray(np.linalg.inv(to_camera), np.float64), camera)
    if turned.is_plausible and (found.below < _NO_ROAD or found.inside < _LEAST_INSIDE):
        raise HmaDepthError(
            f"{source} is the wrong way round: as it is, {found.inside:.1%} of the LiDAR's returns "
            f"fall into the image and lie there like no road; inverted, {turned.inside:.1%} do, "
            "nearer further down. It has to take points of the LiDAR to the camera's optical frame "
            "(x right, y down, z forward)"
        )
    if found.inside >= _LEAST_INSIDE and found.below <= -_ROAD_BELOW:
        raise HmaDepthError(
            f"{source} puts the LiDAR's returns upside down into the image: those further up are "
            "the nearer ones, so that the road lies above. It has to take points of the LiDAR to "
            "the camera's optical frame (x right, y down, z forward)"
        )
    if found.inside < _LEAST_INSIDE:
        raise HmaDepthError(
            f"{source} puts {found.inside:.2%} of the LiDAR's returns into the image "
            f"({found.ahead:.0%} in front of the camera): it cannot be that of this camera and "
            "LiDAR"
        )
    return found
