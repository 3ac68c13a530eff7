"""The scale-invariant logarithmic error, equation 6 of the paper (Eigen et al., 2014)."""

from __future__ import annotations

import torch
from torch import Tensor

#: Weight of the scale term in the paper and in BTS: 0 is plain log RMSE, 1 ignores scale.
PAPER_LAMBDA = 0.85


def scale_invariant_error(
    prediction: Tensor, target: Tensor, valid: Tensor, *, lam: float = PAPER_LAMBDA
) -> Tensor:
    """Eq. 6: mean(g^2) - lambda mean(g)^2 with g = log y - log y*, over the valid pixels.

    Args:
        prediction: depth in metres, positive, any shape.
        target: ground truth of the same shape.
        valid: boolean mask of the same shape; at least one pixel.
        lam: lambda in [0, 1].

    """
    g = torch.log(prediction[valid].float()) - torch.log(target[valid].float())
    return (g * g).mean() - lam * g.mean() ** 2


def silog_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, *, lam: float = PAPER_LAMBDA
) -> Tensor:
    """Ten times the root of eq. 6: the form that BTS trains, whose gradient keeps its size."""
    # The error of a perfect fit is 0, where the root has no slope.
    error = scale_invariant_error(prediction, target, valid, lam=lam)
    return 10 * torch.sqrt(error.clamp(min=1e-8))
