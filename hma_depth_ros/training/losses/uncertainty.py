"""What teaches the network to know its error."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hma_depth_ros.network.error_estimate import SIGMA_OF_LAPLACE
from hma_depth_ros.training.losses.scale_invariant import log_difference, one_process


def uncertainty_loss(
    sigma: Tensor,
    depth: Tensor,
    target: Tensor,
    valid: Tensor,
    weight: Tensor | None = None,
    *,
    all_reduce: Callable[[Tensor], Tensor] = one_process,
) -> Tensor:
    """Mean negative log-likelihood of |ln y - ln y*| under a Laplace distribution, but a constant.

    Errors of depth have long tails, which a Gaussian would take for typical. The depth itself is
    not moved by it: a network must not buy likelihood with worse depth.

    Args:
        sigma: (B, 1, H, W), which about 68 % of the errors are to be below.
        depth: of the network, metres.
        target: ground truth, metres.
        valid: where it counts.
        weight: of each pixel; None: all alike.
        all_reduce: adds up a tensor over all processes.

    """
    error = log_difference(depth.detach(), target, valid).abs()
    scale = sigma.float() / SIGMA_OF_LAPLACE
    counted = valid.float() if weight is None else torch.where(valid, weight.float(), 0)
    loss = counted * (error / scale + scale.log())
    sums = torch.stack([loss.sum(dtype=torch.float64), counted.sum(dtype=torch.float64)])
    found, n = all_reduce(sums)
    return (found / n.clamp(min=1)).float()
