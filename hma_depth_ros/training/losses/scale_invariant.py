"""The scale-invariant logarithmic error, equation 6 of the paper (Eigen et al., 2014)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Weight of the scale term in the paper and in BTS: 0 is plain log RMSE, 1 ignores scale.
PAPER_LAMBDA = 0.85


def one_process(sums: Tensor) -> Tensor:
    """The sums over all processes, of a single process."""
    return sums


def log_difference(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Differences g = log y - log y* of eq. 6 in float32; 0 where not valid.

    Selected by `where`, not by indexing: no gathering, and no waiting for a GPU.
    """
    one = torch.ones((), device=prediction.device)
    g = torch.where(valid, prediction.float(), one).log()
    return g - torch.where(valid, target.float(), one).log()


def scale_invariant_error(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    lam: float = PAPER_LAMBDA,
    weight: Tensor | None = None,
    all_reduce: Callable[[Tensor], Tensor] = one_process,
) -> Tensor:
    """Eq. 6: mean(g^2) - lambda mean(g)^2 with g = log y - log y*, over the valid pixels.

    In float32 whatever the inputs are, with sums in float64; 0 without a valid pixel.

    Args:
        prediction: depth in metres, positive where valid, any shape.
        target: ground truth of the same shape.
        valid: boolean mask of the same shape.
        lam: lambda in [0, 1].
        weight: of each pixel in both means and in n, of the same shape; None: all count alike.
        all_reduce: adds up a tensor over all processes, so that n in eq. 6 is of the whole batch.

    """
    g = log_difference(prediction, target, valid)
    counted = valid if weight is None else torch.where(valid, weight.float(), 0)
    sums = torch.stack(
        [
            counted.sum(dtype=torch.float64),
            (counted * g).sum(dtype=torch.float64),
            (counted * g * g).sum(dtype=torch.float64),
        ]
    )
    n, first, second = all_reduce(sums)
    n = n.clamp(min=1)
    return (second / n - lam * (first / n) ** 2).float()


def silog_loss(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    lam: float = PAPER_LAMBDA,
    weight: Tensor | None = None,
    all_reduce: Callable[[Tensor], Tensor] = one_process,
) -> Tensor:
    """Ten times the root of eq. 6: the form that BTS trains, whose gradient keeps its size."""
    # The error of a perfect fit is 0, where the root has no slope.
    error = scale_invariant_error(
        prediction, target, valid, lam=lam, weight=weight, all_reduce=all_reduce
    )
    return 10 * torch.sqrt(error.clamp(min=1e-8))
