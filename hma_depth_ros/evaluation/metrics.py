"""Error measures of a depth image, as the depth literature and KITTI's server define them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Keys of `depth_metrics`, and of those the ones where more is better.
DEPTH_METRICS = ("silog", "log10", "abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")
HIGHER_IS_BETTER = frozenset({"d1", "d2", "d3"})
#: Keys of `benchmark_metrics`.
BENCHMARK_METRICS = ("silog", "sq_error_rel", "abs_error_rel", "irmse")


def depth_metrics(
    prediction: npt.NDArray[np.floating], ground_truth: npt.NDArray[np.floating]
) -> dict[str, float]:
    """Metrics over pixels (n,) of positive depth in metres (Eigen et al., 2014).

    d1, d2, d3 are shares of pixels with max(p/g, g/p) < 1.25^k; silog is
    100 sqrt(mean(e^2) - mean(e)^2) with e = ln p - ln g; the rest in metres or relative.
    """
    p, g = np.asarray(prediction, np.float64), np.asarray(ground_truth, np.float64)
    relative = p / g
    ratio = np.maximum(relative, 1 / relative)
    difference, log_difference = p - g, np.log(relative)
    squares, log_squares = difference**2, float(np.mean(log_difference**2))
    return {
        "silog": _silog(log_difference),
        "log10": float(np.mean(np.abs(log_difference))) / np.log(10),
        "abs_rel": float(np.mean(np.abs(relative - 1))),
        "sq_rel": float(np.mean(squares / g)),
        "rmse": float(np.sqrt(np.mean(squares))),
        "rmse_log": float(np.sqrt(log_squares)),
        "d1": float(np.mean(ratio < 1.25)),
        "d2": float(np.mean(ratio < 1.25**2)),
        "d3": float(np.mean(ratio < 1.25**3)),
    }


def benchmark_metrics(
    prediction: npt.NDArray[np.floating], ground_truth: npt.NDArray[np.floating]
) -> dict[str, float]:
    """Metrics of KITTI's depth prediction benchmark over pixels (n,) of positive depth in metres.

    silog as in `depth_metrics`; sq_error_rel = 100 mean(((p - g)/g)^2) and abs_error_rel =
    100 mean(|p - g|/g) in percent; irmse, of the inverse depth, in 1/km. Note the square of g under
    the first, which sq_rel of the papers does not have.
    """
    p, g = np.asarray(prediction, np.float64), np.asarray(ground_truth, np.float64)
    error = p / g - 1
    return {
        "silog": _silog(np.log(p / g)),
        "sq_error_rel": 100 * float(np.mean(error**2)),
        "abs_error_rel": 100 * float(np.mean(np.abs(error))),
        "irmse": 1000 * float(np.sqrt(np.mean((1 / p - 1 / g) ** 2))),
    }


def _silog(log_difference: npt.NDArray[np.float64]) -> float:
    # Rounding can bring the variance of equal errors below zero.
    variance = float(np.mean(log_difference**2) - np.mean(log_difference) ** 2)
    return 100 * float(np.sqrt(max(variance, 0.0)))
