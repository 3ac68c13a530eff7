"""The best and worst frames of a run, with all that there is to show of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.evaluation.cleanup import clean
from hma_depth_ros.evaluation.error_colors import error_colors, thick
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import Depth, PredictionSource, ShownPrediction
from hma_depth_ros.evaluation.report.error_page import ScoredFrame
from hma_depth_ros.evaluation.report.metric_table import metric_title
from hma_depth_ros.evaluation.report.summary import EvaluationSummary, ranked
from hma_depth_ros.evaluation.score import placed
from hma_depth_ros.evaluation.score_frames import Settings
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.visualization.depth_color import colorize_depth
from hma_depth_ros.visualization.frame_layers import (
    FrameArrays,
    FrameLayers,
    MeasuredTruth,
    draw_layers,
)

Group = Literal["worst", "best"]
GROUPS: tuple[Group, ...] = get_args(Group)
#: Far end of the colours in metres, where a protocol has no cap.
_FAR = 80.0


@dataclass(frozen=True)
class PicturedFrame:
    """One of the best or worst frames."""

    group: Group
    rank: int  #: 1 is the best or worst
    page: ScoredFrame
    camera: PinholeCamera | None  #: None: not known
    shown: ShownPrediction  #: of the image or of its crop
    name: str
    figure: str  #: metric and value by which it is ranked

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f"{self.group}_{self.rank}_{self.name}"

    def layers(self) -> FrameLayers:
        """Pictures of the image's size; what a cropped prediction does not reach has no depth."""
        page, size = self.page, self.page.truth.shape
        confidence, attention = self.shown.confidence, self.shown.attention
        arrays = FrameArrays(
            depth=page.depth,
            image=page.image,
            attention=None
            if attention is None
            else np.stack([_on_canvas(mask, size) for mask in attention]),
            confidence=None if confidence is None else _on_canvas(confidence, size),
            points=None if self.camera is None else back_project(page.depth, self.camera),
        )
        truth = np.where(page.truth > 0, page.truth, np.float32(np.nan))
        measured = MeasuredTruth(
            truth=colorize_depth(thick(page.truth), max_depth=page.max_depth),
            error=error_colors(page.truth, page.prediction),
            points=None if self.camera is None else back_project(truth, self.camera),
        )
        return draw_layers(
            arrays,
            name=self.name,
            far=page.max_depth,
            measured=measured,
            group=self.group,
            figure=self.figure,
        )


def pictured_frames(
    summary: EvaluationSummary,
    frames: Sequence[EvaluatedFrame],
    source: PredictionSource,
    settings: Settings,
    *,
    count: int,
) -> Iterator[PicturedFrame]:
    """The `count` worst frames by AbsRel, then the `count` best ones.

    Ranked by the first protocol at its first cap. Predictions are asked for once more, so that a
    run need not hold them all.

    Raises:
        HmaDepthError: a file cannot be used.

    """
    protocol = settings.protocols[0]
    key, figures = next(iter(summary.figures.items()))
    metric = "abs_rel" if "abs_rel" in figures.metric_names else "abs_error_rel"
    by_name = {frame.name: frame for frame in frames}
    best_first = ranked(figures, metric)
    orders = {"worst": best_first[::-1], "best": best_first}
    for group in GROUPS:
        for rank, name in enumerate(orders[group][:count], 1):
            frame = by_name[name]
            truth = read_ground_truth(frame.ground_truth, units_per_metre=settings.units_per_metre)
            size = (truth.shape[0], truth.shape[1])
            found = source.shown(frame, protocol.view)
            figure = f"{metric_title(metric)} {figures.per_image[name].metrics[metric]:.3f}"
            page = ScoredFrame(
                f"{name}: {key}, {figure}",
                _image(frame, found),
                truth,
                _on_canvas(found.depth, size),
                clean(placed(found.depth, size)[0], figures.cap or _FAR),
                protocol.window(*size),
                figures.cap or _FAR,
            )
            yield PicturedFrame(group, rank, page, _camera(frame, size), found, name, figure)


def _image(frame: EvaluatedFrame, found: ShownPrediction) -> npt.NDArray[np.uint8] | None:
    if frame.picture is not None:
        return frame.picture()
    return found.image if frame.image is None else read_rgb(frame.image)


def _camera(frame: EvaluatedFrame, size: tuple[int, int]) -> PinholeCamera | None:
    if frame.camera is not None or frame.listed is None:
        return frame.camera
    return entry_camera(frame.listed, size).camera


def _on_canvas(array: Depth, size: tuple[int, ...]) -> Depth:
    """An array of the image or of its crop at the image's size, NaN where it does not reach."""
    canvas, covered = placed(array, (size[0], size[1]))
    reached = np.full(canvas.shape, np.nan, np.float32)
    covered.of(reached)[...] = covered.of(canvas)
    return reached
