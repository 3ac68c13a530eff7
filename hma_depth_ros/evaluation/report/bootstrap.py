"""How far a mean over images is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]

#: Fewer scenes say nothing of others: of two or three the interval over scenes is no more than the
#: least and the largest of their means.
LEAST_SCENES = 6


def wider(over_frames: Interval, over_scenes: Interval | None) -> Interval:
    """Of two intervals of one figure; that over scenes is None of a single scene."""
    intervals = [over_frames] if over_scenes is None else [over_frames, over_scenes]
    return max(intervals, key=lambda ends: ends[1] - ends[0])


def too_few(scenes: int) -> bool:
    """Whether there are several scenes, and yet too few to speak of others by."""
    return 1 < scenes < LEAST_SCENES


def confidence_interval(
    values: npt.NDArray[np.float64],
    scenes: Sequence[str] | None = None,
    *,
    share: float = 0.95,
    resamples: int = 2000,
) -> npt.NDArray[np.float64]:
    """Interval (2, metrics) of the mean over images of values (images, metrics).

    Percentile bootstrap (Efron, 1979) with a fixed seed. Without `scenes` it draws images, as if
    each were new; the images of one drive resemble each other, so for other drives that interval is
    too narrow. With each image's scene it draws whole scenes, all images of one together (cluster
    bootstrap, Davison and Hinkley, 1997); from fewer than ten scenes or so that is a rough guess,
    and from one it says nothing.

    `scipy.stats.bootstrap` gives the same but for chance (`test_evaluation_protocols.py`). But it
    draws scenes only by their numbers and refuses a single one, and what it draws for a seed is not
    the same in all versions (`rng` took the place of `random_state`); and by counts, as here, it is
    two products of matrices.
    """
    sums: npt.NDArray[np.float64] = values
    counts: npt.NDArray[np.float64] = np.ones(len(values))
    if scenes is not None:
        names, scene = np.unique(np.asarray(scenes), return_inverse=True)
        counts = np.bincount(scene).astype(np.float64)
        sums = np.zeros((names.size, values.shape[1]))
        np.add.at(sums, scene, values)
    drawn = len(sums)
    draws = np.random.default_rng(0).multinomial(drawn, np.full(drawn, 1 / drawn), resamples)
    tail = 50 * (1 - share)
    means = draws @ sums / (draws @ counts)[:, None]
    return np.percentile(means, [tail, 100 - tail], axis=0)
