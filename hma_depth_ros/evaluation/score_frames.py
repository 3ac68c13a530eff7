"""Scores a list of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.semantic_labels import Label, find_labels, read_labels
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.cleanup import quantise
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.ordered_map import ordered_map
from hma_depth_ros.evaluation.prediction_sources import PredictionSource
from hma_depth_ros.evaluation.protocols import Protocol
from hma_depth_ros.evaluation.score import FrameScores, score


@dataclass(frozen=True)
class Settings:
    """What is scored, and how."""

    protocols: Sequence[Protocol]
    caps: Sequence[float]  #: metres
    units_per_metre: float  #: of 16-bit depth PNG
    quantised: bool = False  #: predictions are first cut down to these units, as BTS's files are
    cameras: bool = False  #: note where the cameras come from that predictions are made with
    boundaries: bool = False  #: score those of things too, where ground truth is dense

    def caps_by_key(self) -> dict[str, float | None]:
        """Cap of each figure's `Protocol.key`, None where the protocol has none, in order."""
        return {
            protocol.key(cap): cap
            for protocol in self.protocols
            for cap in (self.caps if protocol.capped else (None,))
        }


def score_frame(frame: EvaluatedFrame, source: PredictionSource, settings: Settings) -> FrameScores:
    """All figures of one frame.

    Raises:
        HmaDepthError: a file cannot be used, naming it.

    """
    units = settings.units_per_metre
    truth = read_ground_truth(frame.ground_truth, units_per_metre=units)
    predictions = source.predictions(frame, {protocol.view for protocol in settings.protocols})
    if settings.quantised:
        predictions = {
            view: replace(found, depth=quantise(found.depth, units_per_metre=units))
            for view, found in predictions.items()
        }
    sky = _sky(frame, truth.shape) if settings.boundaries else None
    found = FrameScores(frame.name, (truth.shape[0], truth.shape[1]), scene=frame.scene)
    if settings.cameras and frame.listed is not None:
        found.camera_source = entry_camera(frame.listed, found.size).source
    for protocol in settings.protocols:
        try:
            scores = score(
                predictions[protocol.view].depth,
                truth,
                protocol,
                settings.caps,
                uncertainty=predictions[protocol.view].uncertainty,
                boundaries=settings.boundaries,
                sky=sky,
            )
        except HmaDepthError as error:
            raise HmaDepthError(f"{frame.name}, {frame.ground_truth}: {error}") from None
        found.scores.update(scores)
    return found


def _sky(frame: EvaluatedFrame, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    """Where a frame's labels (`find_labels`) show the sky, of which ground truth says nothing."""
    path = None if frame.image is None else find_labels(frame.image)
    if path is None:
        return None
    labels = read_labels(path)
    if labels.shape != shape:
        raise HmaDepthError(
            f"{path} is {labels.shape[1]}x{labels.shape[0]}, its ground truth "
            f"{frame.ground_truth} {shape[1]}x{shape[0]}"
        )
    return labels == Label.SKY


def evaluate(
    frames: Sequence[EvaluatedFrame],
    source: PredictionSource,
    settings: Settings,
    *,
    workers: int = 2,
    allow_failures: bool = False,
) -> Iterator[FrameScores | HmaDepthError]:
    """Figures frame by frame, in order; with `allow_failures` the error of a frame in their place.

    Raises:
        HmaDepthError: a frame cannot be scored, unless `allow_failures`.

    """

    def attempt(frame: EvaluatedFrame) -> FrameScores | HmaDepthError:
        try:
            return score_frame(frame, source, settings)
        except HmaDepthError as error:
            return error

    one = attempt if allow_failures else partial(score_frame, source=source, settings=settings)
    yield from ordered_map(one, frames, workers=workers)
