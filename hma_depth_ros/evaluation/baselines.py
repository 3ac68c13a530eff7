"""Depth from the place in the image alone: what a network must beat to have seen anything.

Both baselines look at no pixel of the image they answer for. Positions are shares of the image, so
that frames of several sizes go together; depth is metric for the frame's own camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError

Depth = npt.NDArray[np.float32]

#: (rows, columns) of the mean image: a few pixels of KITTI's in each cell, or noise would remain.
_CELLS = (94, 311)
#: Ground truth pixels that the plane is fitted to.
_FITTED = 200_000
_HEIGHTS = np.arange(1.40, 1.95, 0.05)  #: metres of the camera above the road
_HORIZONS = np.arange(0.40, 0.56, 0.01)  #: share of the rows above the horizon
_WALLS = np.arange(10.0, 62.0, 2.0)  #: metres


@dataclass(frozen=True)
class MeanDepth:
    """Mean of the training frames' ground truth in each cell of the image."""

    cells: npt.NDArray[np.float64]  #: `_CELLS`, metres

    @classmethod
    def of(cls, entries: Sequence[SplitEntry]) -> MeanDepth:
        """Average; a cell that no frame has ground truth for takes its neighbours' mean.

        Raises:
            HmaDepthError: no frame has ground truth, or a file cannot be read.

        """
        sums, counts = np.zeros(_CELLS), np.zeros(_CELLS)
        for entry in entries:
            if entry.depth is None:
                continue
            depth = read_ground_truth(entry.depth)
            rows, columns = np.nonzero(depth)
            cell = (
                rows * _CELLS[0] // depth.shape[0],
                columns * _CELLS[1] // depth.shape[1],
            )
            np.add.at(sums, cell, depth[rows, columns])
            np.add.at(counts, cell, 1)
        if not counts.any():
            raise HmaDepthError("no frame of the list has ground truth to average")
        while not counts.all():  # from the known cells outwards
            sums_around, counts_around = (cv2.blur(part, (3, 3)) for part in (sums, counts))
            empty = counts == 0
            sums[empty], counts[empty] = sums_around[empty], counts_around[empty]
        return cls(sums / counts)

    def depth(self, size: tuple[int, int], focal_length: float) -> Depth:
        """Depth (H, W) in metres of an image of that size; the focal length does not matter."""
        del focal_length
        cells = self.cells.astype(np.float32)
        return np.asarray(cv2.resize(cells, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


@dataclass(frozen=True)
class GroundAndWall:
    """A flat road, seen from a height, up to a wall across the whole view."""

    height: float  #: metres of the camera above the road
    horizon: float  #: share of the image's rows above it
    wall: float  #: metres

    @classmethod
    def of(cls, entries: Sequence[SplitEntry]) -> GroundAndWall:
        """The least mean AbsRel over the frames' ground truth, by trying a grid.

        Raises:
            HmaDepthError: no frame has ground truth, or a file cannot be read.

        """
        random = np.random.default_rng(0)
        labelled = [entry for entry in entries if entry.depth is not None]
        if not labelled:
            raise HmaDepthError("no frame of the list has ground truth to fit a plane to")
        each = max(_FITTED // len(labelled), 1)
        parts = []
        for entry in labelled:
            assert entry.depth is not None
            truth = read_ground_truth(entry.depth)
            rows, columns = np.nonzero(truth)
            chosen = random.permutation(rows.size)[:each]
            known = truth[rows[chosen], columns[chosen]]
            # Rows in shares of the image, focal lengths in the same unit.
            share = (rows[chosen] + 0.5) / truth.shape[0]
            focal = np.full(chosen.size, entry.focal_length / truth.shape[0])
            parts.append(np.stack([known, share, focal]))
        known, share, focal = np.concatenate(parts, axis=1)

        def error(candidate: GroundAndWall) -> float:
            return float(np.mean(np.abs(candidate._answer(share, focal) - known) / known))

        grid = product(_HEIGHTS.tolist(), _HORIZONS.tolist(), _WALLS.tolist())
        return min((cls(*values) for values in grid), key=error)

    def depth(self, size: tuple[int, int], focal_length: float) -> Depth:
        """Depth (H, W) in metres of an image of that size."""
        share = (np.arange(size[0]) + 0.5) / size[0]
        column = self._answer(share, np.full(size[0], focal_length / size[0]))
        return np.repeat(column[:, None], size[1], axis=1).astype(np.float32)

    def _answer(
        self, share: npt.NDArray[np.float64], focal: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        below = share - self.horizon
        road = self.height * focal / np.maximum(below, 1e-6)
        return np.minimum(road, self.wall)
