"""Does depth look like depth of the frames that the network was trained on?

A few quantiles of a frame's depth, by thirds of the image, are compared with the range that they
had over the training frames, which the checkpoint's metadata keep. A covered lens, a wall before
it, or a road at the top of the image give others. Depth is the network's own, for its training
focal length: there a road has the same depth in the same row, whatever the camera.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

#: Every so many pixels of the network's input, in rows and columns, depth is looked at.
SAMPLE_STRIDE = 16

#: By trait, least and greatest value over the training frames but for a few.
DepthRanges = Mapping[str, tuple[float, float]]

#: Percentiles of the training frames between which a trait is usual.
USUAL = (0.5, 99.5)

_THIRDS = ("top", "middle", "bottom")
_QUANTILES = (0.1, 0.5, 0.9)


def depth_traits(sample: npt.NDArray[np.float32]) -> dict[str, float]:
    """Figures of one frame's depth, by name.

    Args:
        sample: (h, w) metres, of all parts of the image.

    Returns:
        Logarithms of metres: quantiles of each third of the rows, and by how much the far of the
        middle third is farther than the bottom third. NaN if anything is not finite or positive,
        none at all of fewer than three rows.

    """
    if len(sample) < len(_THIRDS):
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(sample)
    traits: dict[str, float] = {}
    for name, rows in zip(_THIRDS, np.array_split(logarithms, len(_THIRDS)), strict=True):
        ordered = np.sort(rows, axis=None)
        for quantile in _QUANTILES:
            traits[f"{name} {quantile:.0%}"] = float(ordered[round(quantile * (ordered.size - 1))])
    traits["middle 90% over bottom 50%"] = traits["middle 90%"] - traits["bottom 50%"]
    if not np.isfinite(logarithms).all():
        return dict.fromkeys(traits, math.nan)
    return traits


def usual_ranges(frames: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Range of each trait over many frames, to three decimals."""
    ranges = {}
    for name in frames[0]:
        low, high = np.percentile([traits[name] for traits in frames], USUAL)
        ranges[name] = (round(float(low), 3), round(float(high), 3))
    return ranges


def strangeness(traits: Mapping[str, float], ranges: DepthRanges) -> tuple[float, str]:
    """How far outside its range the strangest trait is, in widths of the range, and its name.

    0 if all are inside, infinite if depth is not finite; what the ranges do not name is not judged.
    """
    worst = (0.0, "")
    for name, (low, high) in ranges.items():
        value = traits.get(name)
        if value is None:
            continue
        if not math.isfinite(value):
            return math.inf, name
        outside = max(low - value, value - high, 0.0) / max(high - low, 1e-3)
        worst = max(worst, (outside, name))
    return worst
