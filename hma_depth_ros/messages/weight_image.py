"""Images of weights from 0 to 1: masks and confidence, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.messages.image import BadImageError, image_array

#: Weights as they are, and whole numbers of which 255 is 1.
WEIGHTS, BYTES = "32FC1", "mono8"
WEIGHT_ENCODINGS = (WEIGHTS, BYTES)


def encoded_weights(weights: npt.NDArray[np.float32], encoding: str) -> npt.NDArray[Any]:
    """Pixels (H, W) of an image of weights, in one of `WEIGHT_ENCODINGS`.

    mono8 has no NaN: where there is no weight it is 0, too.
    """
    if encoding == WEIGHTS:
        return weights
    import cv2  # here, since the encodings are choices of a parameter, and --help needs no more

    return np.asarray(cv2.convertScaleAbs(np.nan_to_num(weights), alpha=255))


def weight_array(image: Any) -> npt.NDArray[np.float32]:
    """Weights (H, W) from 0 to 1 of such an image; without a copy for 32FC1.

    Raises:
        BadImageError: another encoding, or not a whole image.

    """
    if image.encoding not in WEIGHT_ENCODINGS:
        raise BadImageError(f"an image of weights is 32FC1 or mono8, not {image.encoding}")
    stored = image_array(image)
    if image.encoding == WEIGHTS:
        return np.asarray(stored, np.float32)
    return np.asarray(stored / np.float32(255), np.float32)
