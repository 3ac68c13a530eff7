"""Confidence as colour: how far depth is to be trusted in each pixel."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.visualization.depth_color import NO_DEPTH_RGB


def colorize_confidence(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Colours (H, W, 3), RGB, of a probability (H, W): 0 dark blue, 1 yellow; none (NaN) is grey.

    The map is *cividis* (Nuñez, Anderton, Renslow, 2018), even in lightness, and the same to people
    who do not tell red from green.
    """
    shade = np.rint(np.nan_to_num(confidence).clip(0, 1) * 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(shade, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    colors[np.isnan(confidence)] = NO_DEPTH_RGB
    return np.asarray(colors, np.uint8)
