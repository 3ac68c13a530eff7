"""Ground truth at the size of each scale's own depth map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hma_depth_ros.network.model import ScaleMaps


def pooled_pairs(
    maps: ScaleMaps, target: Tensor, valid: Tensor, weight: Tensor | None
) -> list[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """For each scale: its depth, the ground truth of its cells, where there is any, and weights.

    A cell's depth is the (weighted) geometric mean of the valid pixels in it. The finest scale has
    every pixel as it is.

    Args:
        maps: of the network.
        target: (B, 1, H, W), metres.
        valid: where it counts.
        weight: of its pixels, or None.

    """
    pairs: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
    counted = valid.float() if weight is None else valid.float() * weight
    logarithm = torch.where(valid, target, 1).log()
    for depth in maps.depths:
        cell = maps.padded_size[0] // depth.shape[-2]
        if cell == 1:
            pairs.append((depth[..., : maps.size[0], : maps.size[1]], target, valid, weight))
            continue
        share = F.avg_pool2d(counted, cell)
        mean = F.avg_pool2d(counted * logarithm, cell) / share.clamp(min=1e-6)
        # Cells that the image fills; those of the padding have no ground truth.
        own = depth[..., : share.shape[-2], : share.shape[-1]]
        pairs.append((own, mean.exp(), share > 0, share))
    return pairs
