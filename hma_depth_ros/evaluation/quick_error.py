"""A model's error on a few frames, by drive: for choosing between models, not for tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import Benchmark
from hma_depth_ros.evaluation.frames_with_truth import frames_with_truth
from hma_depth_ros.evaluation.protocol_windows import garg_window, kitti_crop
from hma_depth_ros.evaluation.protocols import Protocol, protocols_by_name
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.geometry.window import whole_image
from hma_depth_ros.inference.prediction import Output
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.error_estimate import WITHIN_ONE_SIGMA

#: Like `bts`, but the network sees the whole image, as it does in the node.
WHOLE_IMAGE = Protocol("whole", "Garg's window of the image", garg_window, view="image")

_RATIOS = 2000  # pixels of a frame
_OUTPUTS: frozenset[Output] = frozenset({"depth", "attention", "uncertainty"})

ALL = "all"  #: instead of a drive: every frame
_OTHERS = "others"  #: frames whose drive cannot be told


@dataclass(frozen=True)
class ErrorMeasure:
    """How predictions are scored."""

    protocol: Protocol
    cap: float  #: metres
    units_per_metre: float  #: of the ground truth's PNG

    @classmethod
    def named(cls, name: str | None, benchmark: Benchmark) -> ErrorMeasure:
        """By a protocol's name, `whole` included; None is the benchmark's default.

        Raises:
            HmaDepthError: no protocol of that name.

        """
        known = dict(benchmark.protocols)
        if benchmark.published:
            known[WHOLE_IMAGE.name] = WHOLE_IMAGE
        protocol = protocols_by_name([name or benchmark.default_protocol], known)[0]
        return cls(protocol, benchmark.default_cap, benchmark.layout.units_per_metre)

    def __str__(self) -> str:
        return f"{self.protocol.name}, cap {self.cap:g} m"


@dataclass
class ValidationSums:
    """Sums over frames, which add up over processes."""

    metrics: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    shares: list[list[float]] = field(default_factory=list)
    #: Of some pixels: the error of log depth as a multiple of what the network estimates.
    error_ratios: list[float] = field(default_factory=list)

    def merge(self, other: ValidationSums) -> None:
        """Add another's frames."""
        for drive, frames in other.metrics.items():
            self.metrics.setdefault(drive, []).extend(frames)
        self.shares.extend(other.shares)
        self.error_ratios.extend(other.error_ratios)

    def means(self) -> dict[str, dict[str, float]]:
        """Mean metrics by drive and over `all` frames."""
        return {
            drive: {name: float(np.mean([m[name] for m in frames])) for name in frames[0]}
            for drive, frames in sorted(self.metrics.items(), key=lambda item: item[0] != ALL)
        }

    def mean_shares(self) -> list[float]:
        """Mean share of each scale's mask, coarse to fine; empty without attention."""
        return [float(share) for share in np.mean(self.shares, axis=0)] if self.shares else []

    def uncertainty_scale(self) -> float | None:
        """Multiple of the estimated error that 68.27 % of the errors are below; None without."""
        if not self.error_ratios:
            return None
        return float(np.quantile(self.error_ratios, WITHIN_ONE_SIGMA))


def validate(
    predictor: DepthPredictor, entries: Sequence[SplitEntry], measure: ErrorMeasure
) -> ValidationSums:
    """Score frames at their own size, without scaling predictions to the ground truth.

    Entries without ground truth are left out.

    Raises:
        HmaDepthError: a file cannot be used, naming it.

    """
    sums = ValidationSums()
    for frame in frames_with_truth(entries, units_per_metre=measure.units_per_metre):
        entry, image, truth, camera = frame.entry, frame.image, frame.truth, frame.camera
        cropped = measure.protocol.view == "crop"
        window = (kitti_crop if cropped else whole_image)(*image.shape[:2])
        image, camera = np.ascontiguousarray(window.of(image)), window.camera(camera)
        found = predictor.predict(image, camera, outputs=_OUTPUTS)
        assert found.depth is not None
        try:
            scores = score(found.depth, truth, measure.protocol, (measure.cap,))
        except HmaDepthError as error:
            raise HmaDepthError(f"{entry.depth}: {error}") from None
        metrics: Mapping[str, float] = next(iter(scores.values())).metrics
        drive = (kitti_drive_name(entry.image) or _OTHERS).removesuffix("_sync")
        for group in (drive, ALL):
            sums.metrics[group].append(dict(metrics))
        if found.attention is not None:
            sums.shares.append([float(share) for share in found.attention.mean((1, 2))])
        if found.uncertainty is not None:
            known = window.of(truth)
            sums.error_ratios += _error_ratios(found.depth, found.uncertainty, known, measure.cap)
    return sums


def _error_ratios(
    depth: npt.NDArray[np.float32],
    sigma: npt.NDArray[np.float32],
    truth: npt.NDArray[np.float32],
    cap: float,
) -> list[float]:
    """|ln d - ln d*| / sigma of some pixels of a frame, as many of each frame."""
    rows, columns = np.nonzero((truth > 0) & (truth < cap) & np.isfinite(depth))
    chosen = np.linspace(0, rows.size - 1, min(rows.size, _RATIOS)).astype(int)
    place = rows[chosen], columns[chosen]
    errors = np.abs(np.log(depth[place]) - np.log(truth[place]))
    return [float(ratio) for ratio in errors / sigma[place]]
