"""The best and worst frames of a run as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.evaluation.cleanup import clean
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import PredictionSource
from hma_depth_ros.evaluation.report.error_page import ScoredFrame, error_page
from hma_depth_ros.evaluation.report.summary import EvaluationSummary, ranked
from hma_depth_ros.evaluation.score import placed
from hma_depth_ros.evaluation.score_frames import Settings

#: Far end of the colours in metres, where a protocol has no cap.
_FAR = 80.0


def write_panels(
    folder: Path,
    summary: EvaluationSummary,
    frames: Sequence[EvaluatedFrame],
    source: PredictionSource,
    settings: Settings,
    *,
    count: int,
) -> None:
    """Write the `count` best and worst frames by AbsRel as best_1_NAME.png, worst_1_NAME.png ...

    Ranked by the first protocol at its first cap. Predictions are asked for once more, so that a
    run need not hold them all.

    Raises:
        HmaDepthError: a file cannot be used or written.

    """
    protocol = settings.protocols[0]
    key, figures = next(iter(summary.figures.items()))
    metric = "abs_rel" if "abs_rel" in figures.metric_names else "abs_error_rel"
    by_name = {frame.name: frame for frame in frames}
    order = ranked(figures, metric)
    chosen = {"best": order[:count], "worst": order[::-1][:count]}
    for kind, names in chosen.items():
        for rank, name in enumerate(names, 1):
            frame = by_name[name]
            truth = read_ground_truth(frame.ground_truth, units_per_metre=settings.units_per_metre)
            size = (truth.shape[0], truth.shape[1])
            depth = source.predictions(frame, {protocol.view})[protocol.view].depth
            image = None if frame.image is None else read_rgb(frame.image)
            if frame.picture is not None:
                image = frame.picture()
            page = ScoredFrame(
                f"{name}: {key} {metric} {figures.per_image[name].metrics[metric]:.4f}",
                image,
                truth,
                clean(placed(depth, size)[0], figures.cap or _FAR),
                protocol.window(*size),
                figures.cap or _FAR,
            )
            write_png(folder / f"{kind}_{rank}_{name}.png", error_page(page))
