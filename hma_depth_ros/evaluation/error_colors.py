"""Relative error of depth as a picture; without Matplotlib, for the node that shows it live."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization.color_scale import STEPS, ColorScale

#: Relative errors from this on have the brightest colour.
WORST_ERROR = 0.5


def thick(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Points (H, W) of ground truth three pixels wide, since they are sparse."""
    return cv2.dilate(points, np.ones((3, 3), np.uint8))


def error_colors(
    truth: npt.NDArray[np.float32], prediction: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Relative error of depth (H, W) as RGB (H, W, 3), black to yellow; grey where none is known.

    Points of ground truth, 0 where it is unknown, are drawn three pixels wide. No depth (NaN,
    infinity) is an error like the worst, as it is to the metrics.
    """
    known = truth > 0
    relative = np.zeros_like(truth)
    errors = np.abs(prediction[known] / truth[known] - 1)
    # Before they are drawn wider: a dilation lets a NaN vanish among its neighbours.
    relative[known] = np.where(np.isfinite(errors), errors, np.float32(WORST_ERROR))
    shade = np.rint(thick(relative).clip(0, WORST_ERROR) * (255 / WORST_ERROR)).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    colors[cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0] = 60
    return np.asarray(colors, np.uint8)


def error_scale() -> ColorScale:
    """Of `error_colors`."""
    errors = np.linspace(0, WORST_ERROR, STEPS, dtype=np.float32)
    ramp = error_colors(np.ones((1, STEPS), np.float32), 1 + errors[None])
    ticks = [(error / WORST_ERROR, f"{error:.0%}") for error in (0.0, 0.1, 0.2, 0.3, 0.4)]
    ticks.append((1.0, f"\N{GREATER-THAN OR EQUAL TO}{WORST_ERROR:.0%}"))
    return ColorScale("Relative error of depth", ramp, ticks)
