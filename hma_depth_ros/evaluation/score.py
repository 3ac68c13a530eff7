"""One prediction against its ground truth, under all protocols and caps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.splits.entry_camera import CameraSource
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.boundaries import (
    BoundaryCounts,
    Region,
    count_boundaries,
    is_dense,
)
from hma_depth_ros.evaluation.cleanup import MIN_DEPTH, clean, fill_holes
from hma_depth_ros.evaluation.depth_bins import bin_sums
from hma_depth_ros.evaluation.protocol_windows import Window, kitti_crop
from hma_depth_ros.evaluation.protocols import Protocol
from hma_depth_ros.evaluation.sparsification import calibration_sums, curves

Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Reliability:
    """How well an uncertainty tells the errors of one image."""

    curves: npt.NDArray[np.float64]  #: of `sparsification.curves`
    calibration: npt.NDArray[np.float64]  #: of `calibration_sums`
    without: int  #: pixels that count, but of which no uncertainty is stated


@dataclass(frozen=True)
class Score:
    """Figures of one image under one protocol and cap."""

    metrics: dict[str, float]
    pixels: int  #: that count
    #: Of those, pixels that a cropped prediction does not reach.
    outside: int
    bins: npt.NDArray[np.float64] | None  #: `bin_sums`; None without a cap
    reliability: Reliability | None = None  #: None: not asked for, no uncertainty, or without a cap
    boundaries: BoundaryCounts | None = None  #: None: not asked for, or no dense ground truth


@dataclass
class FrameScores:
    """Figures of one image by `Protocol.key`."""

    name: str
    size: tuple[int, int]  #: (H, W) of the ground truth
    scores: dict[str, Score] = field(default_factory=dict)
    camera_source: CameraSource | None = None  #: None: no camera was used
    scene: str = ""  #: see `EvaluatedFrame.scene`


def placed(prediction: Depth, size: tuple[int, int]) -> tuple[Depth, Window]:
    """Prediction on a canvas of the ground truth's (H, W), and the part of it that it covers.

    Raises:
        HmaDepthError: it is neither of that size nor of the 352x1216 crop's.

    """
    height, width = size
    if prediction.shape == size:
        return prediction, Window(0, height, 0, width)
    crop = kitti_crop(height, width)
    if prediction.shape != crop.shape:
        rows, columns = prediction.shape
        allowed = f"{width}x{height}"
        if crop.shape != size:
            allowed += " or, for the crop, 1216x352"
        raise HmaDepthError(
            f"the prediction is {columns}x{rows}, its ground truth {width}x{height}, which asks "
            f"for {allowed}"
        )
    canvas = np.zeros(size, np.float32)
    crop.of(canvas)[...] = prediction
    return canvas, crop


def score(
    prediction: Depth,
    truth: Depth,
    protocol: Protocol,
    caps: Sequence[float],
    *,
    uncertainty: Depth | None = None,
    boundaries: bool = False,
    sky: Region | None = None,
) -> dict[str, Score]:
    """Figures by `Protocol.key` of depth in metres; `truth` (H, W) is 0 where it is unknown.

    The prediction is of the whole image or of its 352x1216 crop; outside of the crop it is 0, and
    counts as 1 mm where a protocol scores there, as in BTS's evaluation script.

    Args:
        prediction: metres.
        truth: metres.
        protocol: to score by.
        caps: metres; not for protocols without.
        uncertainty: sigma of ln(depth), of the prediction's size; not finite: none. Judged where
            the prediction is.
        boundaries: count those where ground truth is dense.
        sky: (H, W), where ground truth is the sky's.

    Raises:
        HmaDepthError: the sizes do not go together, or no pixel would count.

    """
    size = truth.shape[0], truth.shape[1]
    canvas, covered = placed(prediction, size)
    window = protocol.window(*truth.shape)
    if protocol.fills_holes:
        canvas = canvas.copy()
        covered.of(canvas)[...] = fill_holes(covered.of(canvas))
    known = np.nonzero(window.of(truth) > MIN_DEPTH)
    g_all, p_all = window.of(truth)[known], window.of(canvas)[known]
    sigmas = None
    if uncertainty is not None:
        sigmas = window.of(placed(uncertainty, size)[0])[known]
    rows, columns = known[0] + window.top, known[1] + window.left
    beyond = (rows < covered.top) | (rows >= covered.bottom)
    beyond |= (columns < covered.left) | (columns >= covered.right)

    scores = {}
    for cap in caps if protocol.capped else (None,):
        limit = np.inf if cap is None else cap
        counts = g_all < limit
        g, p = g_all[counts], clean(p_all[counts], limit)
        if not g.size:
            raise HmaDepthError(f"no pixel has ground truth for {protocol.key(cap)} ({window})")
        reliability = None
        if sigmas is not None and cap is not None:
            inside = ~beyond[counts]
            reliability = _reliability(p[inside], g[inside], sigmas[counts][inside], cap)
        found = None
        if boundaries and cap is not None and is_dense(truth):
            found = count_boundaries(
                clean(covered.of(canvas), cap),
                covered.of(truth),
                covered.of(_mask(window, size)),
                sky=None if sky is None else covered.of(sky),
                cap=cap,
            )
        scores[protocol.key(cap)] = Score(
            metrics=protocol.metrics(p, g),
            pixels=int(g.size),
            outside=int(np.count_nonzero(beyond[counts])),
            bins=None if cap is None else bin_sums(p, g, cap=cap),
            reliability=reliability,
            boundaries=found,
        )
    return scores


def _mask(window: Window, size: tuple[int, int]) -> Region:
    mask = np.zeros(size, bool)
    window.of(mask)[...] = True
    return mask


def _reliability(p: Depth, g: Depth, sigma: Depth, cap: float) -> Reliability | None:
    stated = np.isfinite(sigma) & (sigma > 0)
    if not stated.any():
        return None
    p, g, sigma = p[stated], g[stated], sigma[stated]
    return Reliability(
        curves(p, g, sigma), calibration_sums(p, g, sigma, cap=cap), int(stated.size - p.size)
    )
