"""Where predictions come from: files of any method, or (see checkpoint_source.py) a network."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.stored_depth import SUFFIXES, read_stored_depth
from hma_depth_ros.data.folder_files import files_in
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import Benchmark
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.protocols import View

Depth = npt.NDArray[np.float32]

#: Beside the depth of a folder of predictions.
UNCERTAINTY_FOLDER = "uncertainty"


@dataclass(frozen=True)
class PredictedDepth:
    """Of the whole image or of the 352x1216 crop."""

    depth: Depth  #: (H, W), metres
    #: (H, W), sigma of ln(depth), not finite where there is none; None: the source states none.
    uncertainty: Depth | None = None


@dataclass(frozen=True)
class ShownPrediction:
    """What there is to show of a prediction, of one size (H, W)."""

    depth: Depth  #: metres
    attention: Depth | None = None  #: (S, H, W), masks, coarse to fine
    confidence: Depth | None = None  #: a probability
    #: (H, W, 3), RGB, where the frame knows none.
    image: npt.NDArray[np.uint8] | None = None


#: Of one frame: predictions by view, or why there are none.
Found = dict[View, PredictedDepth] | HmaDepthError


class PredictionSource(Protocol):
    """Gives predictions; called from several threads."""

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
        """Predictions by view.

        Raises:
            HmaDepthError: a file cannot be used.

        """
        ...

    def several(self, frames: Sequence[EvaluatedFrame], views: Collection[View]) -> list[Found]:
        """Predictions of each frame, one by one unless the source has a faster way."""
        found: list[Found] = []
        for frame in frames:
            try:
                found.append(self.predictions(frame, views))
            except HmaDepthError as error:
                found.append(error)
        return found

    def shown(self, frame: EvaluatedFrame, view: View) -> ShownPrediction:
        """A prediction once more, with all that can be shown of it: here the depth alone.

        Raises:
            HmaDepthError: a file cannot be used.

        """
        return ShownPrediction(self.predictions(frame, {view})[view].depth)


class StoredPredictions(PredictionSource):
    """Predictions in a folder, as 16-bit PNG or npy, found by the frame's name.

    An uncertainty lies in `uncertainty/` in it, as npy of the same name.
    """

    def __init__(self, folder: Path, benchmark: Benchmark, *, uncertainty: bool = False) -> None:
        """List the folder itself, not those in it.

        Args:
            folder: with predictions.
            benchmark: that names them.
            uncertainty: read it, where it is.

        Raises:
            HmaDepthError: there is no prediction, or there are two for one frame.

        """
        self._units_per_metre = benchmark.layout.units_per_metre
        self._files: dict[str, Path] = {}
        for path in files_in(folder, SUFFIXES):
            name = benchmark.layout.frame_name(path)
            if name in self._files:
                raise HmaDepthError(f"two predictions of {name}: {self._files[name]} and {path}")
            self._files[name] = path
        if not self._files:
            raise HmaDepthError(f"{folder} holds no predictions, neither PNG nor npy")
        found = files_in(folder / UNCERTAINTY_FOLDER, (".npy",)) if uncertainty else []
        self._uncertainties = {benchmark.layout.frame_name(path): path for path in found}

    @property
    def names(self) -> Collection[str]:
        """Names of all frames that have a prediction."""
        return self._files.keys()

    @property
    def has_uncertainty(self) -> bool:
        """Whether any frame has one that is to be read."""
        return bool(self._uncertainties)

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
        """See `PredictionSource`: the same file serves all views."""
        path = self._files[frame.name]
        depth = read_stored_depth(path, units_per_metre=self._units_per_metre)
        sigma = None
        if beside := self._uncertainties.get(frame.name):
            sigma = read_uncertainty(beside, depth)
        return dict.fromkeys(views, PredictedDepth(depth, sigma))


def read_uncertainty(path: Path, depth: Depth) -> Depth:
    """Sigma of ln(depth) of an npy file, for a depth of the same size.

    Raises:
        HmaDepthError: the file is damaged, or of another size.

    """
    sigma = read_stored_depth(path)
    if sigma.shape != depth.shape:
        sizes = " and ".join(f"{array.shape[1]}x{array.shape[0]}" for array in (sigma, depth))
        raise HmaDepthError(f"{path}: uncertainty and depth are of different sizes, {sizes}")
    return sigma
