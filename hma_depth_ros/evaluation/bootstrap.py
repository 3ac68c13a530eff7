"""How far a mean over images is to be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def confidence_interval(
    values: npt.NDArray[np.float64], *, share: float = 0.95, resamples: int = 2000
) -> npt.NDArray[np.float64]:
    """Interval (2, metrics) of the mean over images of values (images, metrics).

    Percentile bootstrap (Efron, 1979) that draws whole images, with a fixed seed. The images of one
    drive resemble each other, so for another set of drives the interval is too narrow.
    """
    images = len(values)
    draws = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), resamples)
    tail = 50 * (1 - share)
    return np.percentile(draws @ values / images, [tail, 100 - tail], axis=0)
