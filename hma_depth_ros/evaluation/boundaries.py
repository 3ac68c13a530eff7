"""Boundaries of things: whether a prediction has them where they are, and its error beside them.

A boundary is a step of depth between neighbours in a row or column, and it lies on the nearer one,
which hides the other. As in Hu et al. (2019, precision and recall of edges) and Depth Pro
(Bochkovskii et al., 2024, steps as ratios of depth), but with a tolerance in pixels, and summed
over all images. Ground truth is read with more care: it has holes, most of all along outlines, and
a slanted surface, such as the road far away, has large steps and no boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Region = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float32]

#: Relative step between neighbours that may be a boundary.
STEP = 0.1
#: Pixels that a boundary may be off.
TOLERANCES = (1, 2)
#: Pixels from a boundary within which errors are told apart from the others.
BESIDE = 5
#: Known pixels this far apart are neighbours, if none is known between them.
_GAP = 4
#: On a plane inverse depth changes evenly. A boundary is steeper than what is beside it by this.
_STEEPER = 3.0
#: Share of the known pixels whose neighbours to the right and below are known too. Between 0.43 and
#: 0.95 of dense labels (KITTI's disparity, stereo, rendered), below 0.05 of single scans.
_DENSE = 0.4


@dataclass(frozen=True)
class BoundaryCounts:
    """Sums over pixels, which add up over images."""

    true: int  #: pixels of boundaries
    found: npt.NDArray[np.int64]  #: (TOLERANCES,), of those with a predicted one that near
    predicted: int  #: pixels of boundaries where ground truth would show one
    right: npt.NDArray[np.int64]  #: (TOLERANCES,), of those with a true one that near
    #: (2, 3): pixels, |e|/g and e^2, with e = p - g, beside boundaries and away from them.
    errors: npt.NDArray[np.float64]

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.true + other.true,
            self.found + other.found,
            self.predicted + other.predicted,
            self.right + other.right,
            self.errors + other.errors,
        )


def is_dense(truth: Depth) -> bool:
    """Whether ground truth (H, W), 0 unknown, shows boundaries to the pixel."""
    known = truth > 0
    corners = known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:]
    return bool(corners.sum() > _DENSE * known.sum())


def predicted_boundaries(depth: Depth) -> Region:
    """Pixels (H, W) on the nearer side of a step; a gradual one counts once, where it is steepest.

    Args:
        depth: (H, W) in metres, positive.

    """
    found, logs = np.zeros(depth.shape, bool), np.log(depth)
    for marked, log in zip(_directions(found), _directions(logs), strict=True):
        steps = log[:, 1:] - log[:, :-1]
        around = np.pad(steps, ((0, 0), (1, 1)))
        steepest = (steps >= around[:, :-2]) & (steps > around[:, 2:])
        marked[:, :-1] |= steepest & (steps > np.log1p(STEP))
    return found


def true_boundaries(depth: Depth, known: Region) -> tuple[Region, Region]:
    """Pixels (H, W) on the nearer side of a boundary, and those of steps that are none.

    Args:
        depth: (H, W) in metres, positive where it is known.
        known: (H, W).

    """
    found, slanted = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
    inverse = np.where(known, 1 / np.where(known, depth, np.float32(1)), np.float32(0))
    views = (_directions(array) for array in (found, slanted, inverse, known))
    for marked, none, q, valid in zip(*views, strict=True):
        follower, has_one = _next_known(valid)
        step = np.take_along_axis(q, follower, axis=1) - q
        # How fast depth grows from each pixel to the next known one, and up to it, and after it.
        growth = np.where(has_one, -step / (follower - np.arange(q.shape[1])).clip(1), np.nan)
        before = np.full_like(growth, np.nan)
        rows, columns = np.nonzero(has_one)
        before[rows, follower[rows, columns]] = growth[rows, columns]
        after = np.take_along_axis(growth, follower, axis=1)
        beside = np.fmax(before, after).clip(min=0)  # NaN if nothing is known to either side
        is_step = has_one & (q > (q + step) * (1 + STEP))
        steep = growth > _STEEPER * np.where(np.isnan(beside), np.inf, beside)
        marked[is_step & steep] = True
        none[is_step & ~steep] = True
    return found, slanted


def _directions(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Views of an array (H, W) in which its rows lead to the right, left, down and up."""
    return [array, array[:, ::-1], array.T, array.T[:, ::-1]]


def _next_known(known: Region) -> tuple[npt.NDArray[np.intp], Region]:
    """Column of the next known pixel to the right, and whether there is one for this known pixel.

    Where there is none, the column is the pixel's own.
    """
    columns = np.arange(known.shape[1])
    nowhere = 2 * known.shape[1] + _GAP
    candidates = np.where(known, columns, nowhere)
    from_here = np.minimum.accumulate(candidates[:, ::-1], axis=1)[:, ::-1]
    following = np.pad(from_here[:, 1:], ((0, 0), (0, 1)), constant_values=nowhere)
    has_one = known & (following - columns <= _GAP)
    return np.where(has_one, following, columns), has_one


def count_boundaries(
    prediction: Depth, truth: Depth, counted: Region, *, sky: Region | None = None, cap: float
) -> BoundaryCounts:
    """Boundaries of a prediction beside those of dense ground truth.

    A predicted boundary counts where ground truth would show one: where it is known all around but
    for small holes, and not beside a slanted surface, whose steps are as large.

    Args:
        prediction: (H, W) in metres, from above 0 to `cap`.
        truth: (H, W) in metres, 0 unknown.
        counted: (H, W), where pixels count.
        sky: (H, W), known to be farther than everything; None: where is not known.
        cap: metres; nothing is farther.

    """
    sky = np.zeros(truth.shape, bool) if sky is None else sky
    known = (truth > 0) | sky
    limited = np.where(sky, np.float32(cap), np.minimum(truth, np.float32(cap)))
    true, slanted = true_boundaries(limited, known)
    predicted = predicted_boundaries(prediction)
    to_true, to_predicted = _distance_to(true), _distance_to(predicted)
    true &= counted
    predicted &= counted & _surrounded(known) & (_distance_to(slanted) > max(TOLERANCES))
    scored = counted & (truth > 0) & (truth < cap)
    beside = to_true <= BESIDE
    parts = [scored & beside, scored & ~beside]
    return BoundaryCounts(
        true=int(true.sum()),
        found=np.array([(to_predicted[true] <= near).sum() for near in TOLERANCES]),
        predicted=int(predicted.sum()),
        right=np.array([(to_true[predicted] <= near).sum() for near in TOLERANCES]),
        errors=np.array([_error_sums(prediction[part], truth[part]) for part in parts]),
    )


def _surrounded(known: Region) -> Region:
    """Where ground truth is known as far as a boundary may be off, once holes are filled."""
    holes, reach = (np.ones((side, side), np.uint8) for side in (_GAP + 1, 2 * max(TOLERANCES) + 1))
    filled = cv2.morphologyEx(known.astype(np.uint8), cv2.MORPH_CLOSE, holes)
    return np.asarray(cv2.erode(filled, reach) > 0)


def _distance_to(pixels: Region) -> Depth:
    """Pixels (H, W) to the nearest of some; infinity if there is none."""
    if not pixels.any():
        return np.full(pixels.shape, np.inf, np.float32)
    away = (~pixels).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _error_sums(prediction: Depth, truth: Depth) -> tuple[float, float, float]:
    p, g = prediction.astype(np.float64), truth.astype(np.float64)
    return float(p.size), float(np.sum(np.abs(p - g) / g)), float(np.sum((p - g) ** 2))


def total(counts: list[BoundaryCounts]) -> BoundaryCounts:
    """Sum over images, of which there is at least one."""
    return reduce(BoundaryCounts.__add__, counts)


def boundary_figures(counts: BoundaryCounts) -> dict[str, Any]:
    """Figures over all pixels of all images; None where there is nothing to take a share of.

    By tolerance in pixels `precision` (of the predicted boundaries those that are near a true
    one), `recall` (of the true ones those that are near a predicted one) and their harmonic mean
    `f_score`; `beside` and `away`, within `BESIDE` pixels of true boundaries and elsewhere, with
    `pixels`, `abs_rel` and `rmse`.
    """
    within: dict[str, Any] = {}
    for index, near in enumerate(TOLERANCES):
        precision = _share(int(counts.right[index]), counts.predicted)
        recall = _share(int(counts.found[index]), counts.true)
        both = (precision or 0.0) + (recall or 0.0)
        f_score = None
        if recall is not None:
            f_score = 2 * (precision or 0.0) * recall / both if both else 0.0
        within[f"{near}_px"] = {"precision": precision, "recall": recall, "f_score": f_score}
    for name, (pixels, relative, squares) in zip(("beside", "away"), counts.errors, strict=True):
        within[name] = {
            "pixels": int(pixels),
            "abs_rel": float(relative / pixels) if pixels else None,
            "rmse": float(np.sqrt(squares / pixels)) if pixels else None,
        }
    return {"true_pixels": counts.true, "predicted_pixels": counts.predicted, **within}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
