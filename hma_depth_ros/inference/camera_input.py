"""The maps of the camera that a network with geometry takes beside the image."""

from __future__ import annotations

import torch
from torch import Tensor

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount, plane_coefficients
from hma_depth_ros.network.affine_planes import affine_planes
from hma_depth_ros.network.checkpoint import CheckpointInfo

#: Focal length over width of a camera that is not known, for a model without one of its own:
#: KITTI's, 721.5 pixels of 1242.
_USUAL_FOCAL_LENGTH = 0.58


def camera_input(
    info: CheckpointInfo,
    size: tuple[int, int],
    camera: PinholeCamera | None = None,
    mount: Mount = USUAL_MOUNT,
) -> Tensor | None:
    """Maps (1, C, h, w), float32 on the CPU; None for a model without geometry.

    Args:
        info: of the model.
        size: (h, w) of the network's input.
        camera: of the network's input; None: one of the training focal length, with the principal
            point in the middle.
        mount: of the camera on the car.

    """
    kind = info.model.geometry
    if kind == "none":
        return None
    focal_length = info.preprocessing.focal_length
    if camera is None:
        fx = focal_length or _USUAL_FOCAL_LENGTH * size[1]
        camera = PinholeCamera.from_focal_length(fx, width=size[1], height=size[0])
    coefficients = plane_coefficients(kind, camera, focal_length=focal_length, mount=mount)
    return affine_planes(torch.from_numpy(coefficients)[None], size)
