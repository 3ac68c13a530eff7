"""Figures over all images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.splits.entry_camera import CameraSource
from hma_depth_ros.evaluation.boundaries import boundary_figures, total
from hma_depth_ros.evaluation.depth_bins import bin_errors
from hma_depth_ros.evaluation.reliability import ReliabilityFigures
from hma_depth_ros.evaluation.report.bootstrap import confidence_interval
from hma_depth_ros.evaluation.score import FrameScores, Score


@dataclass(frozen=True)
class Figures:
    """Figures of one protocol and cap; the images' mean weighs all images alike."""

    per_image: dict[str, Score]  #: by frame
    cap: float | None
    scenes: Mapping[str, str]  #: of each frame, see `EvaluatedFrame.scene`

    @property
    def metric_names(self) -> list[str]:
        """In the order of all tables."""
        return list(next(iter(self.per_image.values())).metrics)

    @cached_property
    def _values(self) -> npt.NDArray[np.float64]:
        """(images, metrics)."""
        return np.array([list(score.metrics.values()) for score in self.per_image.values()])

    @cached_property
    def mean(self) -> dict[str, float]:
        """By metric."""
        means = self._values.mean(axis=0)
        return {name: float(value) for name, value in zip(self.metric_names, means, strict=True)}

    @cached_property
    def interval(self) -> dict[str, tuple[float, float]]:
        """95 % confidence interval of the mean for other images of these scenes, by metric."""
        return self._interval(None)

    @cached_property
    def scene_interval(self) -> dict[str, tuple[float, float]] | None:
        """95 % confidence interval of the mean for other scenes; None of a single one."""
        scenes = [self.scenes[name] for name in self.per_image]
        return self._interval(scenes) if len(set(scenes)) > 1 else None

    def _interval(self, scenes: Sequence[str] | None) -> dict[str, tuple[float, float]]:
        low, high = confidence_interval(self._values, scenes)
        ends = zip(self.metric_names, low, high, strict=True)
        return {name: (float(a), float(b)) for name, a, b in ends}

    @cached_property
    def by_scene(self) -> dict[str, Figures]:
        """The same for the images of each scene."""
        scenes: dict[str, dict[str, Score]] = {}
        for name, score in self.per_image.items():
            scenes.setdefault(self.scenes[name], {})[name] = score
        return {
            scene: Figures(scores, self.cap, self.scenes)
            for scene, scores in sorted(scenes.items())
        }

    @property
    def pixels(self) -> int:
        """Pixels that counted."""
        return sum(score.pixels for score in self.per_image.values())

    @property
    def outside(self) -> int:
        """Of those, pixels that cropped predictions did not reach and that counted as 1 mm."""
        return sum(score.outside for score in self.per_image.values())

    @cached_property
    def reliability(self) -> ReliabilityFigures | None:
        """Of the images whose prediction states an uncertainty; None: of none."""
        found = [score.reliability for score in self.per_image.values()]
        stated = [reliability for reliability in found if reliability is not None]
        if not stated or self.cap is None:
            return None
        return ReliabilityFigures(stated, self.cap)

    @cached_property
    def boundaries(self) -> dict[str, Any] | None:
        """Figures over all `images` with dense ground truth; None: none, or not asked for."""
        found = [score.boundaries for score in self.per_image.values()]
        dense = [counts for counts in found if counts is not None]
        return {"images": len(dense), **boundary_figures(total(dense))} if dense else None

    @property
    def by_depth(self) -> list[dict[str, float]]:
        """See `bin_errors`; empty without a cap."""
        sums = [score.bins for score in self.per_image.values() if score.bins is not None]
        if not sums or self.cap is None:
            return []
        return bin_errors(np.sum(sums, axis=0), cap=self.cap)


@dataclass
class EvaluationSummary:
    """Collects the frames' scores; a few hundred bytes each."""

    caps: dict[str, float | None]  #: by `Protocol.key`, in the order of all reports
    figures: dict[str, Figures] = field(init=False)
    scenes: dict[str, str] = field(default_factory=dict)  #: of each frame
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  #: of ground truth, (H, W)
    cameras: Counter[CameraSource] = field(default_factory=Counter)  #: frames by their camera's

    def __post_init__(self) -> None:
        self.figures = {key: Figures({}, cap, self.scenes) for key, cap in self.caps.items()}

    def add(self, frame: FrameScores) -> None:
        """Count a frame in."""
        self.sizes[frame.size] += 1
        self.scenes[frame.name] = frame.scene
        if frame.camera_source is not None:
            self.cameras[frame.camera_source] += 1
        for key, score in frame.scores.items():
            self.figures[key].per_image[frame.name] = score


def ranked(figures: Figures, metric: str) -> Sequence[str]:
    """Frames from the smallest to the largest value of a metric."""
    return sorted(figures.per_image, key=lambda name: figures.per_image[name].metrics[metric])
