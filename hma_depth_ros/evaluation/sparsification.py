"""Whether an uncertainty tells where depth is wrong: what errors remain without the most uncertain.

Sparsification as in Ilg et al. (2018) and Poggi et al. (2020): pixels are removed in the order of
their uncertainty, and the metric is taken over those that remain. The oracle removes them in the
order of the metric's own error; the area between the two curves, over the share removed, is the
AUSE, in the metric's unit. An order that knows nothing leaves the error as it is.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hma_depth_ros.evaluation.depth_bins import bin_index, bin_range

Floats = npt.NDArray[np.floating]

#: Points of a curve: without 0, 2, ... 98 % of the pixels.
STEPS = 50
SparsifiedMetric = Literal["abs_rel", "rmse"]
METRICS: tuple[SparsifiedMetric, ...] = get_args(SparsifiedMetric)
#: `uncertainty`: the largest error stated first; `depth`: the farthest prediction first; `random`:
#: the expectation over all orders; `oracle`: the largest error first.
Order = Literal["uncertainty", "depth", "random", "oracle"]
ORDERS: tuple[Order, ...] = get_args(Order)

#: What is summed over a bin's pixels: one, |e| <= sigma, |e| <= 2 sigma, sigma and |e|, with
#: e = ln p - ln g.
_SUMS = 5


def shares_removed() -> npt.NDArray[np.float64]:
    """Share of the pixels that are removed at each point of a curve, (STEPS,)."""
    return np.arange(STEPS) / STEPS


def remaining_mean(cost: Floats, order: Floats) -> npt.NDArray[np.float64]:
    """Mean cost of the pixels that remain as those of the largest `order` are removed, (STEPS,).

    Pixels of equal order go together: each counts as their mean, so that an order which tells
    nothing apart removes as chance does. At least one pixel remains.

    Args:
        cost: (n,), not empty.
        order: (n,).

    """
    _, group, sizes = np.unique(order, return_inverse=True, return_counts=True)
    means = np.bincount(group, np.asarray(cost, np.float64)) / sizes
    sums = np.cumsum(np.repeat(means, sizes))  # from the smallest order on
    remaining = np.ceil((1 - shares_removed()) * cost.size - 1e-9).astype(np.intp).clip(1)
    return np.asarray(sums[remaining - 1] / remaining)


def curves(prediction: Floats, ground_truth: Floats, sigma: Floats) -> npt.NDArray[np.float64]:
    """Error that remains, (METRICS, ORDERS, STEPS), of one image.

    The error that sigma states is relative for `abs_rel`, and in metres, depth times sigma, for
    `rmse`.

    Args:
        prediction: (n,) in metres, positive.
        ground_truth: (n,) in metres, positive.
        sigma: (n,), stated standard deviation of ln(depth).

    """
    p, g, s = (np.asarray(values, np.float64) for values in (prediction, ground_truth, sigma))
    nothing = np.zeros(p.size)
    relative, squares = np.abs(p - g) / g, (p - g) ** 2
    return np.stack(
        [
            [remaining_mean(relative, order) for order in (s, p, nothing, relative)],
            [np.sqrt(remaining_mean(squares, order)) for order in (p * s, p, nothing, squares)],
        ]
    )


def areas(of_curves: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """AUSE, (..., METRICS, ORDERS), of curves (..., METRICS, ORDERS, STEPS); the oracle's is 0."""
    above = of_curves - of_curves[..., [ORDERS.index("oracle")], :]
    return (above[..., 1:] + above[..., :-1]).sum(axis=-1) / (2 * STEPS)


def calibration_sums(
    prediction: Floats, ground_truth: Floats, sigma: Floats, *, cap: float
) -> npt.NDArray[np.float64]:
    """Sums (2, bins, 5) over pixels (n,), by true and by predicted distance; see `calibration`."""
    p, g, s = (np.asarray(values, np.float64) for values in (prediction, ground_truth, sigma))
    error = np.abs(np.log(p / g))
    columns = [None, (error <= s).astype(float), (error <= 2 * s).astype(float), s, error]
    bins = bin_index(np.array([cap]), cap=cap)[0] + 1
    return np.stack(
        [
            np.stack([np.bincount(index, column, bins) for column in columns], axis=1)
            for index in (bin_index(g, cap=cap), bin_index(p, cap=cap))
        ]
    )


def calibration(sums: npt.NDArray[np.float64], *, cap: float) -> list[dict[str, float]]:
    """How often errors stay within what is stated, of each bin [from, to) in metres with pixels.

    A Gaussian error would stay within one sigma in 68.3 % of the pixels, within two in 95.4 %.

    Args:
        sums: (bins, 5), by either distance.
        cap: metres.

    """
    assert sums.shape[1] == _SUMS
    return [
        {**bin_range(index, cap=cap), **shares_within(row)}
        for index, row in enumerate(sums)
        if row[0]
    ]


def shares_within(sums: npt.NDArray[np.float64]) -> dict[str, float]:
    """Figures of sums (5,) over pixels, of which there is at least one."""
    pixels, one, two, sigma, error = sums.tolist()
    return {
        "pixels": int(pixels),
        "within_1_sigma": one / pixels,
        "within_2_sigma": two / pixels,
        "mean_sigma": sigma / pixels,
        "mean_log_error": error / pixels,
    }
