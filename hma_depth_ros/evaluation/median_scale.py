"""The scale that centres the error of depth, and how well the camera's height tells it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.inference.road_scale import HeightScale

Depth = npt.NDArray[np.float32]


def median_scale(prediction: Depth, truth: Depth, cap: float) -> float:
    """Median of the truth over the median of the depth at its points: 1 where depth is metric.

    Args:
        prediction: (H, W), metres.
        truth: (H, W), metres, 0 unknown.
        cap: metres of the truth that count.

    Returns:
        NaN where no point has both.

    """
    known = (truth > 0) & (truth < cap) & np.isfinite(prediction) & (prediction > 0)
    if not known.any():
        return float("nan")
    return float(np.median(truth[known]) / np.median(prediction[known]))


@dataclass(frozen=True)
class ScaledFrame:
    """A frame's scale by the camera's height and by its ground truth."""

    scene: str
    by_height: HeightScale | None  #: None: no road was seen
    by_truth: float
    near: float  #: by the truth nearer than 15 m, where the road is looked for
    depth: Depth  #: (N,) at the points of the truth
    truth: Depth  #: (N,)


@dataclass(frozen=True)
class SceneScale:
    """What a scene's frames say."""

    frames: int
    with_road: int
    by_height: float  #: median over frames; NaN: none had a road
    share: float  #: mean, of the pixels where the road should be that agree
    by_truth: float  #: median over frames
    near: float
    error: float  #: median over frames of |by height / by truth - 1|
    near_error: float  #: likewise of the near one
    abs_rel: float  #: mean over frames
    abs_rel_scaled: float  #: with all depth of the scene multiplied by `by_height`


def scene_scale(frames: Sequence[ScaledFrame]) -> SceneScale:
    """Sum up frames of a scene."""
    found = [(frame.by_height, frame) for frame in frames if frame.by_height is not None]
    median = _median([scale.scale for scale, _ in found])
    apart = [abs(scale.scale / frame.by_truth - 1) for scale, frame in found]
    near = [abs(scale.scale / frame.near - 1) for scale, frame in found]
    factor = median if found else 1.0
    return SceneScale(
        frames=len(frames),
        with_road=len(found),
        by_height=median,
        share=float(np.mean([scale.share for scale, _ in found])) if found else 0.0,
        by_truth=float(np.median([frame.by_truth for frame in frames])),
        near=_median([frame.near for frame in frames]),
        error=_median(apart),
        near_error=_median(near),
        abs_rel=float(np.mean([_abs_rel(frame, 1.0) for frame in frames])),
        abs_rel_scaled=float(np.mean([_abs_rel(frame, factor) for frame in frames])),
    )


def _median(values: Sequence[float]) -> float:
    """Of those that are numbers; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def by_scene(frames: Sequence[ScaledFrame]) -> dict[str, dict[str, float]]:
    """`SceneScale` of each scene, as numbers by name, in the order of their first frames."""
    scenes = dict.fromkeys(frame.scene for frame in frames)
    return {
        scene: asdict(scene_scale([frame for frame in frames if frame.scene == scene]))
        for scene in scenes
    }


def _abs_rel(frame: ScaledFrame, factor: float) -> float:
    return float(np.mean(np.abs(factor * frame.depth - frame.truth) / frame.truth))
