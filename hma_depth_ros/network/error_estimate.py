"""What the estimate of the error means: a Laplace distribution of the error of ln(depth)."""

from __future__ import annotations

import math

from torch import Tensor

#: Share of a Gaussian within one sigma, which sigma is scaled to.
WITHIN_ONE_SIGMA = 0.6827

#: Of a Laplace distribution of scale 1, as many lie within it as of a Gaussian within sigma.
SIGMA_OF_LAPLACE = math.log(1 / (1 - WITHIN_ONE_SIGMA))

#: The error of ln(depth) that counts as right in the metric delta < 1.25.
_RIGHT = math.log(1.25)


def confidence(sigma: Tensor) -> Tensor:
    """Probability, in [0, 1], that depth is within a factor of 1.25 of the true one.

    Args:
        sigma: of the error of ln(depth), calibrated; of any shape. NaN stays NaN.

    """
    return -(sigma.reciprocal() * (-_RIGHT * SIGMA_OF_LAPLACE)).expm1()
