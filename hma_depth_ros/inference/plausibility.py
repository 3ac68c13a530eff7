"""Does depth look like depth of the frames that the network was trained on?

A few traits of a frame's depth are compared with the range that they had over the training frames,
which the checkpoint's metadata keep. A covered lens, a wall before it, or a noisy picture give
others. Depth is the network's own, for its training focal length: there a road has the same depth
in the same row, whatever the camera. The top and the bottom of an image are not judged by
themselves: they depend on how high the camera's image is.
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

#: How much farther the far part of the middle is than after turning the image by 180 degrees:
#: `upright.py`. What is before a car is far in the middle only if the image is the right way up.
UPRIGHT = "middle 90% over that of the image upside down"

#: Whoever judges takes the most upright of several looks, so that fewer frames are usual; not many
#: fewer, for a queue under a bridge is hardly upright for as long as it stands.
USUALLY_UPRIGHT = (1.0, 99.5)

#: Enough of it, in ln of metres: no image is too upright.
_ENOUGH = 1.5

_FAR = "middle 90%"
_MIDDLE = {"middle 10%": 0.1, "middle 50%": 0.5, _FAR: 0.9}
_ABOVE = f"{_FAR} over bottom 50%"


def depth_traits(sample: npt.NDArray[np.float32]) -> dict[str, float]:
    """Figures of one frame's depth, by name.

    Args:
        sample: (h, w) metres, of all parts of the image.

    Returns:
        Logarithms of metres: quantiles of the middle third of the rows, and how much farther its
        far part is than the bottom third. NaN if anything is not finite or positive, none at all of
        fewer than three rows.

    """
    rows = len(sample)
    if rows < 3:
        return {}
    if not (np.isfinite(sample).all() and sample.min() > 0):
        return dict.fromkeys((*_MIDDLE, _ABOVE), math.nan)
    first, last = -(-rows // 3), -(-2 * rows // 3)
    middle, bottom = np.sort(sample[first:last], axis=None), np.sort(sample[last:], axis=None)
    traits = {name: _quantile(middle, share) for name, share in _MIDDLE.items()}
    return {**traits, _ABOVE: traits[_FAR] - _quantile(bottom, 0.5)}


def upright_trait(traits: Mapping[str, float], turned: Mapping[str, float]) -> dict[str, float]:
    """The further trait of a frame whose image turned by 180 degrees has the traits `turned`."""
    return {UPRIGHT: min(traits[_FAR] - turned[_FAR], _ENOUGH)} if traits and turned else {}


def _quantile(ordered: npt.NDArray[np.float32], share: float) -> float:
    return math.log(ordered[round(share * (ordered.size - 1))])


def usual_ranges(frames: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Range of each trait over many frames, to three decimals."""
    ranges = {}
    for name in frames[0]:
        percentiles = USUALLY_UPRIGHT if name == UPRIGHT else USUAL
        low, high = np.percentile([traits[name] for traits in frames], percentiles)
        ranges[name] = (round(float(low), 3), round(float(high), 3))
    return ranges


def strangeness(traits: Mapping[str, float], ranges: DepthRanges) -> tuple[float, str]:
    """How far outside its range the strangest trait is, in widths of the range, and its name.

    0 if all are inside, infinite if depth is not finite; what is not known of the frame or of the
    training frames is not judged.
    """
    worst = (0.0, "")
    for name, (low, high) in ranges.items():
        value = traits.get(name)
        if value is None:
            continue
        if not math.isfinite(value):
            return math.inf, name
        outside = max(low - value, value - high, 0.0) / max(high - low, 1e-3)
        if outside > worst[0]:
            worst = outside, name
    return worst
