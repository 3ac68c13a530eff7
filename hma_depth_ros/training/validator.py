"""Validation during a run: the frames shared out over the processes, and pictures of a few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import DEPTH_METRICS, HIGHER_IS_BETTER
from hma_depth_ros.evaluation.quick_error import ALL, ErrorMeasure, ValidationSums, validate
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.lists import Lists
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_config import ValidationSection
from hma_depth_ros.visualization.panel import panel
from hma_depth_ros.visualization.tiles import FrameView


@dataclass(frozen=True)
class Validator:
    """Scores weights on the validation list, if there is one."""

    entries: list[SplitEntry]
    measure: ErrorMeasure
    metric: str
    processes: Processes
    mount: Mount  #: as training tells it

    @classmethod
    def of(
        cls, lists: Lists, section: ValidationSection, processes: Processes, mount: Mount
    ) -> Validator:
        """Check the names that the configuration gives.

        Raises:
            HmaDepthError: no such protocol or metric.

        """
        measure = ErrorMeasure.named(section.protocol, lists.benchmark)
        if section.metric not in DEPTH_METRICS or not measure.protocol.capped:
            raise HmaDepthError(
                f"validation.metric={section.metric} with validation.protocol="
                f"{measure.protocol.name}: take one of {', '.join(DEPTH_METRICS)}, "
                "and a protocol with a cap"
            )
        entries = lists.validation
        if section.frames is not None and len(entries) > section.frames:
            # The middles of equal parts.
            places = (np.arange(section.frames) + 0.5) * len(entries) / section.frames
            entries = [entries[int(place)] for place in places]
        return cls(entries, measure, section.metric, processes, mount)

    def score(self, model: HmaDepth, info: CheckpointInfo) -> ValidationSums:
        """Score all frames, each by one of the processes; every process gets the whole result."""
        own = self.entries[self.processes.rank :: self.processes.world]
        predictor = self._predictor(model, info)
        sums = ValidationSums()
        for share in self.processes.gathered(validate(predictor, own, self.measure)):
            sums.merge(share)
        return sums

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value of the metric beats the best so far; NaN never does."""
        if best is None:
            return not np.isnan(value)
        return value > best if self.metric in HIGHER_IS_BETTER else value < best

    def pictures(
        self, model: HmaDepth, info: CheckpointInfo, count: int
    ) -> dict[str, npt.NDArray[np.uint8]]:
        """Panels of `count` frames spread over the list, by name."""
        predictor = self._predictor(model, info)
        step = max(len(self.entries) // max(count, 1), 1)
        drawn = {}
        for index, entry in enumerate(self.entries[::step][:count]):
            image = read_rgb(entry.image)
            found = predictor.predict(image, entry_camera(entry, image.shape).camera)
            assert found.depth is not None
            view = FrameView(
                image,
                found.depth,
                info.model.max_depth,
                found.attention,
                found.points,
                caption=entry.image.name,
            )
            drawn[f"validation/{index}"] = panel(view)
        return drawn

    def _predictor(self, model: HmaDepth, info: CheckpointInfo) -> DepthPredictor:
        engine = TorchEngine(
            model,
            info.preprocessing,
            device=self.processes.device,
            precision="fp32",
            as_trained=True,
        )
        return DepthPredictor(engine, info, mount=self.mount)


def summary_line(what: str, sums: ValidationSums, measure: ErrorMeasure, metric: str) -> str:
    """One line for people, of `what` was validated."""
    means = sums.means()
    drives = ", ".join(f"{drive} {m[metric]:.3f}" for drive, m in means.items() if drive != ALL)
    shares = sums.mean_shares()
    masks = f"; masks {' '.join(f'{share:.2f}' for share in shares)}" if shares else ""
    overall = means[ALL]
    return (
        f"{what}; {measure}: {metric} {overall[metric]:.4f}, "
        f"d1 {overall['d1']:.3f}, rmse {overall['rmse']:.2f} m ({drives}){masks}"
    )
