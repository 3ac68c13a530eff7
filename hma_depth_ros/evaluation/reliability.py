"""How far a stated uncertainty is to be trusted, over all images of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hma_depth_ros.evaluation.score import Reliability
from hma_depth_ros.evaluation.sparsification import (
    METRICS,
    ORDERS,
    Order,
    SparsifiedMetric,
    areas,
    calibration,
    shares_removed,
    shares_within,
)

#: The order that costs nothing, which an uncertainty must beat.
BASELINE: Order = "depth"


@dataclass(frozen=True)
class ReliabilityFigures:
    """Means over images of sparsification, sums over their pixels of calibration."""

    images: Sequence[Reliability]  #: at least one
    cap: float  #: metres

    @cached_property
    def curves(self) -> npt.NDArray[np.float64]:
        """Mean error that remains, (METRICS, ORDERS, STEPS)."""
        return np.mean([image.curves for image in self.images], axis=0)

    @cached_property
    def ause(self) -> dict[SparsifiedMetric, dict[Order, float]]:
        """Mean AUSE by metric and order, in the metric's unit."""
        found = areas(self.curves)
        return {
            metric: dict(zip(ORDERS, row.tolist(), strict=True))
            for metric, row in zip(METRICS, found, strict=True)
        }

    def share_of_baseline(self, metric: SparsifiedMetric) -> float | None:
        """AUSE over that of sorting by depth; None where depth sorts as well as the oracle."""
        of_depth = self.ause[metric][BASELINE]
        return self.ause[metric]["uncertainty"] / of_depth if of_depth > 0 else None

    @cached_property
    def _sums(self) -> npt.NDArray[np.float64]:
        return np.sum([image.calibration for image in self.images], axis=0)

    @property
    def overall(self) -> dict[str, float]:
        """Calibration over all pixels, see `shares_within`."""
        return shares_within(self._sums[0].sum(axis=0))

    @property
    def by_depth(self) -> list[dict[str, float]]:
        """Calibration by true distance."""
        return calibration(self._sums[0], cap=self.cap)

    @property
    def by_predicted_depth(self) -> list[dict[str, float]]:
        """Calibration by predicted distance, which is all that a user has."""
        return calibration(self._sums[1], cap=self.cap)

    @property
    def pixels_without(self) -> int:
        """Pixels that counted, but of which no uncertainty was stated."""
        return sum(image.without for image in self.images)

    def as_json(self) -> dict[str, object]:
        """Everything, for programs."""
        return {
            "images": len(self.images),
            "ause": self.ause,
            "ause_over_by_depth": {metric: self.share_of_baseline(metric) for metric in METRICS},
            "share_removed": shares_removed().tolist(),
            "remaining": {
                metric: dict(zip(ORDERS, rows.tolist(), strict=True))
                for metric, rows in zip(METRICS, self.curves, strict=True)
            },
            "pixels_without_uncertainty": self.pixels_without,
            "calibration": {
                "overall": self.overall,
                "by_depth": self.by_depth,
                "by_predicted_depth": self.by_predicted_depth,
            },
        }
