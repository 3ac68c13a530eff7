"""Figures over all images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.entry_camera import CameraSource
from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.evaluation.bootstrap import confidence_interval
from hma_depth_ros.evaluation.depth_bins import bin_errors
from hma_depth_ros.evaluation.score import FrameScores, Score


@dataclass(frozen=True)
class Figures:
    """Figures of one protocol and cap; the images' mean weighs all images alike."""

    per_image: dict[str, Score]  #: by frame
    cap: float | None

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
        """95 % confidence interval of the mean, by metric; see `confidence_interval`."""
        low, high = confidence_interval(self._values)
        ends = zip(self.metric_names, low, high, strict=True)
        return {name: (float(a), float(b)) for name, a, b in ends}

    @cached_property
    def by_drive(self) -> dict[str, Figures]:
        """The same for the images of each KITTI drive; images of no known drive are left out."""
        drives: dict[str, dict[str, Score]] = {}
        for name, score in self.per_image.items():
            if drive := kitti_drive_name(Path(name)):
                drives.setdefault(drive, {})[name] = score
        return {drive: Figures(scores, self.cap) for drive, scores in sorted(drives.items())}

    @property
    def pixels(self) -> int:
        """Pixels that counted."""
        return sum(score.pixels for score in self.per_image.values())

    @property
    def outside(self) -> int:
        """Of those, pixels that cropped predictions did not reach and that counted as 1 mm."""
        return sum(score.outside for score in self.per_image.values())

    @property
    def by_depth(self) -> list[dict[str, float]]:
        """See `bin_errors`; empty without a cap."""
        sums = [score.bins for score in self.per_image.values() if score.bins is not None]
        if not sums or self.cap is None:
            return []
        return bin_errors(np.sum(sums, axis=0), cap=self.cap)


@dataclass
class Summary:
    """Collects the frames' scores; a few hundred bytes each."""

    caps: dict[str, float | None]  #: by `Protocol.key`, in the order of all reports
    figures: dict[str, Figures] = field(init=False)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)  #: of ground truth, (H, W)
    cameras: Counter[CameraSource] = field(default_factory=Counter)  #: frames by their camera's

    def __post_init__(self) -> None:
        self.figures = {key: Figures({}, cap) for key, cap in self.caps.items()}

    def add(self, frame: FrameScores) -> None:
        """Count a frame in."""
        self.sizes[frame.size] += 1
        if frame.camera_source is not None:
            self.cameras[frame.camera_source] += 1
        for key, score in frame.scores.items():
            self.figures[key].per_image[frame.name] = score


def ranked(figures: Figures, metric: str) -> Sequence[str]:
    """Frames from the smallest to the largest value of a metric."""
    return sorted(figures.per_image, key=lambda name: figures.per_image[name].metrics[metric])
