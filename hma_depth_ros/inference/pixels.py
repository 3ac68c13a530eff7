"""The step from an image array to the network's input tensor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.plan import InputPlan


def to_device(image: npt.NDArray[np.uint8], device: torch.device) -> Tensor:
    """Tensor (H, W, C) of an image (H, W, C) or (H, W).

    On the CPU a view, without a copy, whatever the row stride. For CUDA the copy goes through
    page-locked memory, so that it runs beside the host.
    """
    if image.ndim == 2:
        image = image[..., None]
    # torch knows no read-only tensors, and no negative strides.
    if not image.flags.writeable or min(image.strides) < 0:
        image = image.copy()
    tensor = torch.from_numpy(image)
    if device.type == "cuda":
        return tensor.contiguous().pin_memory().to(device, non_blocking=True)
    return tensor


def network_input(image: Tensor, plan: InputPlan, pixel_format: PixelFormat) -> Tensor:
    """RGB (1, 3, h, w), values 0 to 255, of an image tensor (H, W, C): crop, then resize.

    Resizing is bilinear with anti-aliasing. On the CPU it stays in uint8, for which PyTorch has a
    fast kernel; CUDA has none, so there it is done in float32 and rounded as on the CPU.
    """
    window = image[plan.region.rows, plan.region.columns]
    batch = window.permute(2, 0, 1)[None]
    if tuple(batch.shape[-2:]) != plan.network_size:
        batch = resize_pixels(batch, plan.network_size)
    return _rgb(batch, pixel_format)


def resize_pixels(batch: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 (B, C, H, W) to (h, w), bilinear with anti-aliasing, rounded to uint8."""
    return resized_in_float(batch, size) if batch.is_cuda else _interpolated(batch, size)


def resized_in_float(batch: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as PyTorch's kernel for uint8 does, which CUDA lacks: rows first, then columns.

    Each is rounded. Of a street's pixels 99% and more are equal to the kernel's, the others one
    level apart; rounded once at the end, 87% are equal.
    """
    narrow = _interpolated(batch.float(), (batch.shape[2], size[1])).round_()
    return _interpolated(narrow, size).round_().to(torch.uint8)


def _interpolated(batch: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(batch, size=size, mode="bilinear", align_corners=False, antialias=True)


def _rgb(batch: Tensor, pixel_format: PixelFormat) -> Tensor:
    """Red, green and blue of (B, C, H, W), by views and `flip`.

    An index that is a list would be sent to the GPU, and waited for, in each frame.
    """
    if pixel_format is PixelFormat.MONO:
        return batch.expand(-1, 3, -1, -1)
    colours = batch[:, :3]
    return colours.flip(1) if pixel_format.rgb == (2, 1, 0) else colours
