"""Depth images by REP 118, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.messages.compressed_depth import decompressed_depth, is_compressed_depth
from hma_depth_ros.messages.image import BadImageError, image_array

#: Encodings of depth images: float metres, and whole millimetres.
METRES, MILLIMETRES = "32FC1", "16UC1"
DEPTH_ENCODINGS = (METRES, MILLIMETRES)
#: What `depth_array` reads, for messages.
DEPTH_FORMS = "a depth image is 32FC1 or 16UC1, or one of these in compressedDepth"


def encoded_depth(depth: npt.NDArray[np.float32], encoding: str) -> npt.NDArray[Any]:
    """Pixels (H, W) of a depth image in metres, in one of `DEPTH_ENCODINGS`.

    32FC1 carries metres as they are, with NaN for no depth and +inf beyond the range (REP 117).
    16UC1 carries millimetres, 0 where there is no depth or more than 65.535 m.
    """
    if encoding == METRES:
        return depth
    millimetres = np.rint(depth * np.float32(1000))
    # NaN compares false.
    valid = (millimetres >= 1) & (millimetres <= 65535)
    return np.where(valid, millimetres, 0).astype(np.uint16)


def depth_size(image: Any) -> tuple[int, int]:
    """Width and height of a depth image, which may not have what it states.

    Raises:
        BadImageError: as `depth_array`.

    """
    height, width = depth_array(image).shape
    return width, height


def depth_array(image: Any) -> npt.NDArray[np.float32]:
    """Depth (H, W) in metres of a depth image of any node; NaN where 16UC1 has none.

    Without a copy for 32FC1. A CompressedImage is read if it is of compressedDepth.

    Raises:
        BadImageError: not a depth image, or not a whole one.

    """
    if is_compressed_depth(image):
        return decompressed_depth(image)
    if getattr(image, "encoding", "") not in DEPTH_ENCODINGS:
        raw = hasattr(image, "encoding")
        what = f"'{image.encoding}'" if raw else f"compressed ({image.format})"
        raise BadImageError(f"{DEPTH_FORMS}, not {what}")
    stored = image_array(image)
    if image.encoding == METRES:
        return np.asarray(stored, np.float32)
    return np.where(stored > 0, stored / np.float32(1000), np.float32(np.nan))
