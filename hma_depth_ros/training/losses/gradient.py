"""Matching of depth gradients: what makes boundaries sharp where the ground truth shows them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hma_depth_ros.training.losses.scale_invariant import log_difference, one_process

#: Distances in pixels at which neighbours are compared.
STRIDES = (1, 2, 4)


def gradient_error(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    weight: Tensor | None = None,
    all_reduce: Callable[[Tensor], Tensor] = one_process,
) -> Tensor:
    """Mean of |g(p) - g(q)| over pairs of valid pixels p, q in a row or column.

    With g = log y - log y* as in eq. 6: the first-order term of Eigen & Fergus (ICCV 2015), with
    the absolute value for the square and at several distances, as later work has it (Li &
    Snavely, CVPR 2018). It does not see scale at all, and costs nothing where depth is right but
    for a factor. In float32; 0 without a pair.

    Args:
        prediction: depth (B, 1, H, W) in metres, positive where valid.
        target: ground truth of the same shape.
        valid: boolean mask of the same shape.
        weight: of each pixel, of the same shape; a pair weighs as the product. None: all alike.
        all_reduce: adds up a tensor over all processes.

    """
    g = log_difference(prediction, target, valid)
    sums = torch.zeros(2, dtype=torch.float64, device=prediction.device)
    for axis in (-2, -1):
        for stride in STRIDES:
            length = g.shape[axis] - stride
            if length < 1:
                continue
            pair = valid.narrow(axis, 0, length) & valid.narrow(axis, stride, length)
            step = (g.narrow(axis, stride, length) - g.narrow(axis, 0, length)).abs()
            counted = pair.float()
            if weight is not None:
                both = weight.narrow(axis, 0, length) * weight.narrow(axis, stride, length)
                counted = counted * both
            found = (counted * step).sum(dtype=torch.float64)
            sums = sums + torch.stack([found, counted.sum(dtype=torch.float64)])
    error, pairs = all_reduce(sums)
    return (error / pairs.clamp(min=1)).float()
