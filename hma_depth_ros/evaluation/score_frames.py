"""Scores a list of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.semantic_labels import labelled_sky
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.cleanup import quantise
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.ordered_map import ordered_map
from hma_depth_ros.evaluation.prediction_sources import (
    Found,
    PredictedDepth,
    PredictionSource,
)
from hma_depth_ros.evaluation.protocols import Protocol, View
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


def score_frame(
    frame: EvaluatedFrame, predictions: Mapping[View, PredictedDepth], settings: Settings
) -> FrameScores:
    """All figures of one frame.

    Raises:
        HmaDepthError: a file cannot be used, naming it.

    """
    units = settings.units_per_metre
    truth = read_ground_truth(frame.ground_truth, units_per_metre=units)
    if settings.quantised:
        predictions = {
            view: replace(found, depth=quantise(found.depth, units_per_metre=units))
            for view, found in predictions.items()
        }
    image = frame.image if settings.boundaries else None
    sky = None if image is None else labelled_sky(image, truth.shape)
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


def evaluate(
    frames: Sequence[EvaluatedFrame],
    source: PredictionSource,
    settings: Settings,
    *,
    workers: int = 2,
    batch: int = 1,
    allow_failures: bool = False,
) -> Iterator[FrameScores | HmaDepthError]:
    """Figures frame by frame, in order; with `allow_failures` the error of a frame in their place.

    Args:
        frames: to score.
        source: of the predictions.
        settings: what is scored.
        workers: threads.
        batch: frames whose predictions each of them asks for at once.
        allow_failures: go on after a frame that cannot be scored.

    Raises:
        HmaDepthError: a frame cannot be scored, unless `allow_failures`.

    """
    views = {protocol.view for protocol in settings.protocols}

    def scores(frame: EvaluatedFrame, found: Found) -> FrameScores | HmaDepthError:
        if isinstance(found, HmaDepthError):
            return found
        try:
            return score_frame(frame, found, settings)
        except HmaDepthError as error:
            return error

    def of_batch(several: Sequence[EvaluatedFrame]) -> list[FrameScores | HmaDepthError]:
        return [*map(scores, several, source.several(several, views))]

    batches = [frames[start : start + batch] for start in range(0, len(frames), batch)]
    for results in ordered_map(of_batch, batches, workers=workers):
        for result in results:
            if isinstance(result, HmaDepthError) and not allow_failures:
                raise result
            yield result
