"""What figures cannot tell: depths in another unit than they are read in, or no depths at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE
from hma_depth_ros.data.depth.depth_units import MILLIMETRES, sample, unit_hint
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import StoredPredictions
from hma_depth_ros.evaluation.score import placed

#: Units that predictions are found in, beside the right one, in a metre.
_UNITS = {MILLIMETRES: "millimetres", UNITS_PER_METRE: "metres x 256", 100.0: "centimetres"}
#: Of the pixels with ground truth, more than which without a prediction are told.
_FEW_MISSING = 0.02
#: Natural logarithm: how far a method's scale may be off besides.
_TOLERANCE = 0.15


def unit_hints(
    frames: Sequence[EvaluatedFrame], source: object, *, units_per_metre: float
) -> Iterator[str]:
    """One line for each of predictions and ground truth that looks so; a few files are read.

    Of the predictions only stored ones are looked at: a network's are in metres.
    """
    files = [frame.ground_truth for frame in frames if isinstance(frame.ground_truth, Path)]
    if hint := unit_hint(files, units_per_metre=units_per_metre):
        yield hint
    elif isinstance(source, StoredPredictions):
        ratio, missing = _compared(frames, source, units_per_metre)
        if missing > _FEW_MISSING:
            yield (
                f"{missing:.0%} of the pixels with ground truth have no prediction (0, below 0 or "
                "NaN), and count as a depth of 1 mm"
            )
        for units, name in _UNITS.items():
            png = units / units_per_metre
            if units != units_per_metre and abs(np.log(ratio / png)) < _TOLERANCE:
                read = "millimetres" if units_per_metre == MILLIMETRES else "metres x 256"
                yield (
                    f"the predictions are {ratio:.2f} times the ground truth (median), as if their "
                    f"PNG were in {name}; they are read as {read}"
                )
            elif abs(np.log(ratio / units)) < _TOLERANCE:
                yield (
                    f"the predictions are {ratio:.0f} times the ground truth (median), as if their "
                    f"npy were in {name}; they are read as metres"
                )


def _compared(
    frames: Sequence[EvaluatedFrame], predictions: StoredPredictions, units_per_metre: float
) -> tuple[float, float]:
    """Compare predicted and true depth on some frames.

    Returns:
        Median of predicted by true depth, 1 where none can be read; and the share of the pixels
        with true depth that have no prediction.

    """
    ratios, missing = [], []
    for frame in sample(frames):
        try:
            truth = read_ground_truth(frame.ground_truth, units_per_metre=units_per_metre)
            predicted = predictions.predictions(frame, {"image"})["image"].depth
            canvas, covered = placed(predicted, (truth.shape[0], truth.shape[1]))
        except HmaDepthError:
            continue  # scoring has said why
        asked = covered.of(truth) > 0
        if asked.any():
            # NaN compares false.
            missing.append(1 - float(np.mean(covered.of(canvas)[asked] > 0)))
        known = (truth > 0) & (canvas > 0) & np.isfinite(canvas)
        if known.any():
            ratios.append(float(np.median(canvas[known] / truth[known])))
    return (
        float(np.median(ratios)) if ratios else 1.0,
        float(np.mean(missing)) if missing else 0.0,
    )
