"""Worst and best validation frames of a training run, by the weights that it left."""

from __future__ import annotations

from collections.abc import Sequence

from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.checkpoint_source import CheckpointPredictions
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.quick_error import ErrorMeasure
from hma_depth_ros.evaluation.report.pictured_frames import pictured_frames
from hma_depth_ros.evaluation.report.summary import EvaluationSummary
from hma_depth_ros.evaluation.score_frames import Settings, evaluate
from hma_depth_ros.training.lists import read_lists
from hma_depth_ros.training.run_folder import RunFolder
from hma_depth_ros.visualization.contact_sheet import spread
from hma_depth_ros.visualization.frame_layers import FrameLayers

#: Validation frames that are scored for it, spread over the list, and those shown of each group.
_SCORED, _SHOWN = 48, 2


def validated_frames(folder: RunFolder) -> list[FrameLayers]:
    """Frames of the run's validation list; none, if it has no list.

    Raises:
        HmaDepthError: weights, lists or files are not there any more.

    """
    config = folder.read_config()
    lists = read_lists(config.data)
    if not lists.validation:
        return []
    weights = folder.best if folder.best.is_file() else folder.last
    if not weights.is_file():
        raise HmaDepthError(f"{folder.path} holds no weights yet")
    measure = ErrorMeasure.named(config.validation.protocol, lists.benchmark)
    settings = Settings([measure.protocol], [measure.cap], measure.units_per_metre)
    chosen = [lists.validation[index] for index in spread(len(lists.validation), _SCORED)]
    frames = _frames(chosen, [lists.benchmark.layout.frame_name(entry.image) for entry in chosen])
    source = CheckpointPredictions(weights, device=config.compute.device, mount=config.crop.mount)
    summary = EvaluationSummary(settings.caps_by_key())
    for found in evaluate(frames, source, settings):
        if isinstance(found, HmaDepthError):
            raise found
        summary.add(found)
    pictured = pictured_frames(summary, frames, source, settings, count=_SHOWN)
    return [frame.layers() for frame in pictured]


def _frames(entries: Sequence[SplitEntry], names: Sequence[str]) -> list[EvaluatedFrame]:
    frames = []
    for number, (entry, name) in enumerate(zip(entries, names, strict=True)):
        assert entry.depth is not None
        own = name if name not in names[:number] else f"{name} ({number})"
        frames.append(EvaluatedFrame(own, entry.depth, entry.image, entry))
    return frames
