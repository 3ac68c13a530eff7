"""How dense sparse ground truth is, by distance."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

#: Metres.
EDGES = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)
#: Bands of columns that rings are looked for in, and steps between rings that it takes.
_BANDS, _LEAST_STEPS = 80, 20


def label_counts(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Labelled pixels of depth (H, W) in metres, 0 unknown, between neighbours of `EDGES`."""
    return np.histogram(depth[depth > 0], EDGES)[0].astype(np.int64)


def ring_spacing(depth: npt.NDArray[np.float32]) -> float | None:
    """Rows between a LiDAR's rings in depth (H, W), 0 unknown: the median; None: too few are seen.

    That is between rows with a label, in narrow bands of columns, for a ring has not one in each
    column.
    """
    rows, columns = depth.shape
    width = max(columns // _BANDS, 1)
    known: npt.NDArray[np.bool_] = np.any(
        (depth[:, : columns // width * width] > 0).reshape(rows, -1, width), axis=2
    )
    gaps = [np.diff(np.flatnonzero(band)) for band in known.T]
    steps = np.concatenate(gaps)
    steps = steps[steps > 1]  # a ring that is not level is in two rows of a band
    return float(np.median(steps)) if steps.size >= _LEAST_STEPS else None


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
