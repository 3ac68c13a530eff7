"""Back-projection on the device that the depth lies on, into the layout of a PointCloud2."""

from __future__ import annotations

import sys
from enum import Enum
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from hma_depth_ros.geometry.camera import PinholeCamera


class CloudLayout(Enum):
    """Where x, y, z and rgb stand in a point; the value is the number of 4-byte columns."""

    PADDED = 8  #: x y z - rgb - - -, 32 bytes, as sensor_msgs' iterators and PCL lay it out
    PACKED = 4  #: x y z rgb, 16 bytes

    @property
    def color_column(self) -> int:
        """Column of the packed colour."""
        return 4 if self is CloudLayout.PADDED else 3


@lru_cache(maxsize=8)
def _slopes(camera: PinholeCamera, device: torch.device) -> tuple[Tensor, Tensor]:
    """X/Z of each column (W,) and Y/Z of each row (H, 1), in float64 until the end."""
    u = torch.arange(camera.width, dtype=torch.float64)
    v = torch.arange(camera.height, dtype=torch.float64)[:, None]
    x_over_z, y_over_z = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return x_over_z.float().to(device), y_over_z.float().to(device)


def write_cloud(
    cloud: Tensor, depth: Tensor, camera: PinholeCamera, colors: Tensor, layout: CloudLayout
) -> None:
    """Fill `cloud` (H, W, layout.value), float32, in place.

    X = (u - cx) Z / fx, Y = (v - cy) Z / fy in metres, optical frame (REP 103), integer pixel
    coordinates; NaN wherever the depth is NaN. Padding columns are left alone.

    Args:
        cloud: any strides; zeros where there is padding.
        depth: (H, W) in metres or NaN, not infinite.
        camera: of the depth image.
        colors: (H, W) float32 of `pack_colors`.
        layout: of the points.

    """
    x_over_z, y_over_z = _slopes(camera, depth.device)
    if depth.device.type == "cpu" and cloud.is_contiguous():
        # One pass over the points, which are too many for the cache, where strided assignment
        # takes one for each column: half the time.
        z = depth.numpy()
        columns = [z * x_over_z.numpy(), z * y_over_z.numpy(), z, colors.numpy()]
        order = [0, 0, 1, 1, 2, 2, 3, layout.color_column]
        cv2.mixChannels(columns, [cloud.numpy()], order)
        return
    torch.mul(depth, x_over_z, out=cloud[..., 0])
    torch.mul(depth, y_over_z, out=cloud[..., 1])
    cloud[..., 2] = depth
    cloud[..., layout.color_column] = colors


def pack_colors(image: Tensor, rgb: tuple[int, int, int]) -> Tensor:
    """Colours (H, W) as 0x00RRGGBB in the bits of a float32 (PCL, RViz), of uint8 (H, W, C).

    `rgb` are the channels' indices.
    """
    if image.device.type == "cpu" and sys.byteorder == "little":
        if image.stride(1) != image.shape[2]:
            image = image.contiguous()  # OpenCV knows no gaps between pixels
        bgr0 = np.zeros((*image.shape[:2], 4), np.uint8)
        order = [index for pair in zip(rgb, (2, 1, 0), strict=True) for index in pair]
        cv2.mixChannels([image.numpy()], [bgr0], order)  # half of PyTorch's time
        return torch.from_numpy(bgr0.view(np.float32)[..., 0])
    red, green, blue = (image[..., channel].to(torch.int32) for channel in rgb)
    return ((red << 16) | (green << 8) | blue).view(torch.float32)
