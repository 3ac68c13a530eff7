"""Maps of the scales brought to full size; on the CPU by OpenCV, in a fifth of PyTorch's time."""

from __future__ import annotations

from functools import partial

import cv2
from torch import Tensor

from hma_depth_ros.network.attention import blend, hierarchical_masks, upsample
from hma_depth_ros.network.model import ScaleMaps


def resample(maps: Tensor, out: Tensor) -> None:
    """Bilinear resampling of float32 (B, C, h, w) into `out` (B, C, H, W), on one device.

    Pixel centres are half integers. PyTorch and OpenCV mean the same; OpenCV rounds the position
    between two pixels to a float32 pixel coordinate, PyTorch a little later: 3e-5 of the step
    between neighbours at a width of 640, and nothing at all for factors of two.
    """
    size = (out.shape[-2], out.shape[-1])
    if maps.device.type != "cpu" or tuple(maps.shape[-2:]) == size:
        out.copy_(upsample(maps, size))
        return
    for planes, outputs in zip(maps, out, strict=True):
        for plane, output in zip(planes, outputs, strict=True):
            cv2.resize(
                plane.numpy(), size[::-1], dst=output.numpy(), interpolation=cv2.INTER_LINEAR
            )


def resampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`resample` into memory of its own; maps of that size already pass through."""
    if maps.device.type != "cpu" or tuple(maps.shape[-2:]) == size:
        return upsample(maps, size)
    out = maps.new_empty((*maps.shape[:2], *size))
    resample(maps, out)
    return out


def blended_depth(maps: ScaleMaps) -> Tensor:
    """`ScaleMaps.depth`: (B, 1, H, W) in metres, eq. 5."""
    full = partial(resampled, size=maps.padded_size)
    if not maps.attentions:
        return maps.depth()
    depth = blend([full(d) for d in maps.depths], [full(a) for a in maps.attentions])
    return depth[..., : maps.size[0], : maps.size[1]]


def full_uncertainty(maps: ScaleMaps) -> Tensor:
    """`ScaleMaps.full_uncertainty`: (B, 1, H, W), the error of log depth."""
    assert maps.uncertainty is not None
    full = resampled(maps.uncertainty, maps.padded_size)
    return full[..., : maps.size[0], : maps.size[1]]


def full_masks(maps: ScaleMaps) -> Tensor:
    """`ScaleMaps.masks`: (B, n, H, W), coarse to fine, eq. 1-4."""
    masks = hierarchical_masks([resampled(a, maps.padded_size) for a in maps.attentions])
    return masks[..., : maps.size[0], : maps.size[1]]
