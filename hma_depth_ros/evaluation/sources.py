"""Where predictions come from: files of any method, or (see checkpoint_source.py) a network."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.stored_depth import SUFFIXES, read_stored_depth
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.benchmarks import Benchmark
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View

Depth = npt.NDArray[np.float32]


class PredictionSource(Protocol):
    """Gives predicted depth; called from several threads."""

    def depths(self, frame: Frame, views: Collection[View]) -> dict[View, Depth]:
        """Depth in metres by view, each of the whole image or of the 352x1216 crop.

        Raises:
            HmaDepthError: a file cannot be used.

        """
        ...


class StoredPredictions:
    """Predictions in a folder, as 16-bit PNG or npy, found by the frame's name."""

    def __init__(self, folder: Path, benchmark: Benchmark) -> None:
        """List the folder itself, not those in it.

        Raises:
            HmaDepthError: there is no prediction, or there are two for one frame.

        """
        self._units_per_metre = benchmark.layout.units_per_metre
        self._files: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            name = benchmark.layout.frame_name(path)
            if name in self._files:
                raise HmaDepthError(f"two predictions of {name}: {self._files[name]} and {path}")
            self._files[name] = path
        if not self._files:
            raise HmaDepthError(f"{folder} holds no predictions, neither PNG nor npy")

    @property
    def names(self) -> Collection[str]:
        """Names of all frames that have a prediction."""
        return self._files.keys()

    def depths(self, frame: Frame, views: Collection[View]) -> dict[View, Depth]:
        """See `PredictionSource`: the same file serves all views."""
        path = self._files[frame.name]
        depth = read_stored_depth(path, units_per_metre=self._units_per_metre)
        return dict.fromkeys(views, depth)
