"""How dense sparse ground truth is, by distance."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

#: Metres.
EDGES = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)


def label_counts(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Labelled pixels of depth (H, W) in metres, 0 unknown, between neighbours of `EDGES`."""
    return np.histogram(depth[depth > 0], EDGES)[0].astype(np.int64)


def density_by_distance(
    counts: Iterable[npt.NDArray[np.int64]], pixels: int
) -> list[dict[str, Any]]:
    """Labels of several frames by distance: all, a frame's mean, and its share of the pixels.

    Args:
        counts: of `label_counts`, by frame.
        pixels: of a frame.

    """
    table = np.array(list(counts))
    mean = table.mean(axis=0)
    return [
        {
            "from": low,
            "to": None if np.isinf(high) else high,
            "labels": int(table[:, index].sum()),
            "labels_a_frame": float(mean[index]),
            "share_of_pixels": float(mean[index] / pixels),
            "frames_with_labels": int((table[:, index] > 0).sum()),
        }
        for index, (low, high) in enumerate(pairwise(EDGES))
    ]
