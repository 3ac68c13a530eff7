"""Smooth surfaces inside semantic regions: the idea that the paper leaves for later (section 4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hma_depth_ros.data.semantic_labels import NO_LABEL
from hma_depth_ros.training.losses.scale_invariant import one_process


def semantic_smoothness(
    depth: Tensor, labels: Tensor, *, all_reduce: Callable[[Tensor], Tensor] = one_process
) -> Tensor:
    """Mean bend of the inverse depth along rows and columns, where three pixels share a label.

    A plane's inverse depth is a linear function of the pixel, so planes of any slope cost nothing,
    and neither do steps at the border of two labels. Each bend ``|r(-1) - 2 r(0) + r(+1)| / r(0)``
    is relative to the inverse depth r, so that the scale of depth does not matter.

    Args:
        depth: (B, 1, H, W), metres, positive.
        labels: (B, 1, H, W), uint8, 255 for none.
        all_reduce: adds up a tensor over all processes.

    """
    inverse = 1 / depth.float()
    bends, counts = [], []
    for axis in (-2, -1):
        length = depth.shape[axis] - 2
        before, here, after = (inverse.narrow(axis, i, length) for i in range(3))
        first, second, third = (labels.narrow(axis, i, length) for i in range(3))
        same = (first == second) & (second == third) & (second != NO_LABEL)
        bend = (before - 2 * here + after).abs() / here.detach()
        bends.append(torch.where(same, bend, torch.zeros_like(bend)).sum(dtype=torch.float64))
        counts.append(same.sum(dtype=torch.float64))
    found, count = all_reduce(torch.stack([torch.stack(bends).sum(), torch.stack(counts).sum()]))
    return (found / count.clamp(min=1)).float()
