"""The frame that engines are compared on, which comes with the package."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.assets import asset


def self_check_image() -> npt.NDArray[np.uint8]:
    """A street, RGB (H, W, 3), on which engines are compared."""
    bgr = cv2.imread(str(asset("self_check.jpg")), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
