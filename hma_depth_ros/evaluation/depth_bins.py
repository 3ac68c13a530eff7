"""Errors by distance: where a model is good, and from where on it guesses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: What is summed over a bin's pixels: one, |e|/g, e^2 and e, with e = p - g.
_SUMS = 4


def bin_width(cap: float) -> float:
    """Metres of ground truth in one bin: 10 on the road, 1 indoors."""
    return 10.0 if cap > 20 else 1.0


def bin_index(depth: npt.NDArray[np.floating], *, cap: float) -> npt.NDArray[np.intp]:
    """Bin of depths of at most `cap` metres; the cap itself is in the last one."""
    bins = int(np.ceil(cap / bin_width(cap)))
    return (depth / bin_width(cap)).astype(np.intp).clip(max=bins - 1)


def bin_range(index: int, *, cap: float) -> dict[str, float]:
    """Ends of a bin, `from` and `to` in metres."""
    return {"from": index * bin_width(cap), "to": min((index + 1) * bin_width(cap), cap)}


def bin_sums(
    prediction: npt.NDArray[np.floating], ground_truth: npt.NDArray[np.floating], *, cap: float
) -> npt.NDArray[np.float64]:
    """Sums (bins, 4) over pixels (n,), to be added up over images; see `bin_errors`."""
    p, g = np.asarray(prediction, np.float64), np.asarray(ground_truth, np.float64)
    bins = int(np.ceil(cap / bin_width(cap)))
    index = bin_index(g, cap=cap)
    error = p - g
    columns = [None, np.abs(error) / g, error**2, error]
    return np.stack([np.bincount(index, column, bins) for column in columns], axis=1)


def bin_errors(sums: npt.NDArray[np.float64], *, cap: float) -> list[dict[str, float]]:
    """Figures of each bin [from, to) in metres that has pixels, over all pixels of all images.

    `abs_rel` and `rmse` as elsewhere; `bias` is the mean of p - g in metres.
    """
    assert sums.shape[1] == _SUMS
    return [
        {
            **bin_range(index, cap=cap),
            "pixels": int(pixels),
            "abs_rel": float(relative / pixels),
            "rmse": float(np.sqrt(squares / pixels)),
            "bias": float(error / pixels),
        }
        for index, (pixels, relative, squares, error) in enumerate(sums)
        if pixels
    ]
