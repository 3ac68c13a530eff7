"""Maps of the scales brought to full size; on the CPU by OpenCV, in a fifth of PyTorch's time."""

from __future__ import annotations

from functools import partial

import cv2
import torch
from torch import Tensor

from hma_depth_ros.network.attention import blend, hierarchical_masks, upsample
from hma_depth_ros.network.model import ScaleMaps


def resample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling of float32 (B, C, h, w) to `size`, pixel centres at half integers.

    Both ways mean the same; OpenCV rounds the position between two pixels to a float32 pixel
    coordinate, PyTorch a little later: 3e-5 of the step between neighbours at a width of 640, and
    nothing at all for factors of two.
    """
    if tuple(maps.shape[-2:]) == size:
        return maps
    if maps.device.type != "cpu":
        return upsample(maps, size)
    result = torch.empty((*maps.shape[:2], *size))
    for planes, outputs in zip(maps, result, strict=True):
        for plane, output in zip(planes, outputs, strict=True):
            cv2.resize(
                plane.numpy(), size[::-1], dst=output.numpy(), interpolation=cv2.INTER_LINEAR
            )
    return result


def blended_depth(maps: ScaleMaps) -> Tensor:
    """`ScaleMaps.depth`: (B, 1, H, W) in metres, eq. 5."""
    full = partial(resample, size=maps.padded_size)
    if not maps.attentions:
        return maps.depth()
    depth = blend([full(d) for d in maps.depths], [full(a) for a in maps.attentions])
    return depth[..., : maps.size[0], : maps.size[1]]


def full_masks(maps: ScaleMaps) -> Tensor:
    """`ScaleMaps.masks`: (B, n, H, W), coarse to fine, eq. 1-4."""
    masks = hierarchical_masks([resample(a, maps.padded_size) for a in maps.attentions])
    return masks[..., : maps.size[0], : maps.size[1]]
