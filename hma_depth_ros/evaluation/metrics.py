"""Error measures of a depth image, as the KITTI depth literature defines them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def depth_metrics(
    prediction: npt.NDArray[np.floating], ground_truth: npt.NDArray[np.floating]
) -> dict[str, float]:
    """Metrics over pixels (n,) of positive depth in metres (Eigen et al., 2014).

    d1, d2, d3 are shares of pixels with max(p/g, g/p) < 1.25^k; silog is
    100 sqrt(mean(e^2) - mean(e)^2) with e = ln p - ln g; the rest in metres or relative.
    """
    p, g = np.asarray(prediction, np.float64), np.asarray(ground_truth, np.float64)
    ratio = np.maximum(p / g, g / p)
    difference, log_difference = p - g, np.log(p) - np.log(g)
    # Rounding can bring the variance of equal errors below zero.
    variance = max(float(np.mean(log_difference**2) - np.mean(log_difference) ** 2), 0.0)
    return {
        "abs_rel": float(np.mean(np.abs(difference) / g)),
        "sq_rel": float(np.mean(difference**2 / g)),
        "rmse": float(np.sqrt(np.mean(difference**2))),
        "rmse_log": float(np.sqrt(np.mean(log_difference**2))),
        "log10": float(np.mean(np.abs(np.log10(p) - np.log10(g)))),
        "silog": 100 * float(np.sqrt(variance)),
        "d1": float(np.mean(ratio < 1.25)),
        "d2": float(np.mean(ratio < 1.25**2)),
        "d3": float(np.mean(ratio < 1.25**3)),
    }
