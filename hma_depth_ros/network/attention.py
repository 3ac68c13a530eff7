"""Hierarchical masks and the blend of the scales: equations 1 to 5 of the paper.

With attention maps A_1 ... A_{n-1}, coarse to fine, each a share of what the coarser scales leave::

    M_1 = A_1                                   (1)
    M_k = A_k (1 - A_1) ... (1 - A_{k-1})       (2), (3)
    M_n = (1 - A_1) ... (1 - A_{n-1})           (4)
    D   = M_1 D_1 + ... + M_n D_n               (5)

All maps are upsampled to full size *first* and multiplied afterwards, so that the masks sum to 1
in every pixel up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling of (B, C, h, w) to `size`; a map already of that size passes through."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def hierarchical_masks(attentions: Sequence[Tensor]) -> Tensor:
    """Masks M_1 ... M_n (B, n, H, W), eq. 1-4, of n - 1 attention maps (B, 1, H, W) of one size."""
    masks = []
    remaining = torch.ones_like(attentions[0])
    for attention in attentions:
        masks.append(remaining * attention)
        remaining = remaining * (1 - attention)
    return torch.cat([*masks, remaining], dim=1)


def blend(depths: Sequence[Tensor], attentions: Sequence[Tensor]) -> Tensor:
    """Final depth (B, 1, H, W), eq. 5, of n depth maps and n - 1 attention maps of one size.

    Nested instead of summed, ``D <- D + A_k (D_k - D)`` from the second finest scale to the
    coarsest: the same value, without ever storing a mask.
    """
    depth = depths[-1]
    for depth_k, attention in zip(reversed(depths[:-1]), reversed(attentions), strict=True):
        depth = torch.lerp(depth, depth_k, attention)
    return depth
