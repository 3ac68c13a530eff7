"""What colours mean: a ramp of them with its ticks, for pictures and web pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization.confidence_color import colorize_confidence
from hma_depth_ros.visualization.depth_color import colorize_depth, nearest_colored_depth

#: Colours of a ramp.
STEPS = 256


@dataclass(frozen=True)
class ColorScale:
    """One scale, evenly from its first colour to its last."""

    title: str  #: with the unit
    ramp: npt.NDArray[np.uint8]  #: (1, STEPS, 3), RGB
    ticks: Sequence[tuple[float, str]]  #: place from 0 to 1, and number


def depth_scale(far: float) -> ColorScale:
    """Of `colorize_depth`, to `far` metres."""
    near = nearest_colored_depth(far)
    ramp = colorize_depth(np.geomspace(near, far, STEPS, dtype=np.float32)[None], max_depth=far)
    metres = np.geomspace(near, far, 6).tolist()
    labels = [f"{m:.3g}" if m >= 1 else f"{m:.2g}" for m in metres]
    places = np.linspace(0, 1, len(labels)).tolist()
    return ColorScale("Depth, m", ramp, list(zip(places, labels, strict=True)))


def confidence_scale() -> ColorScale:
    """Of `colorize_confidence`."""
    ramp = colorize_confidence(np.linspace(0, 1, STEPS, dtype=np.float32)[None])
    ticks = [(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return ColorScale("Probability that depth is right to a factor of 1.25", ramp, ticks)
