"""Pictures within a page, as data URIs that together keep below a size."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from hma_depth_ros.visualization.frame_layers import Picture
from hma_depth_ros.visualization.sheet import resample

#: Of WebP, tried one after the other; below the last one pictures get smaller instead.
_QUALITIES = (90, 82, 70, 55, 40)
_SHRINK = 0.75
_SMALLEST = 64  #: pixels of a side


def embedded(pictures: Sequence[Picture], *, budget: int) -> list[str]:
    """Data URIs of pictures (H, W, 3), RGB, as WebP.

    The best of some qualities is taken with which all pictures together have at most `budget`
    characters; if none has, they are made smaller, down to 64 pixels.

    Args:
        pictures: in any number.
        budget: characters.

    Raises:
        ValueError: even so they do not fit.

    """
    scale = 1.0
    while True:
        sized = [_scaled(picture, scale) for picture in pictures]
        for quality in _QUALITIES if scale == 1.0 else _QUALITIES[-1:]:
            found = [webp_uri(picture, quality) for picture in sized]
            if sum(map(len, found)) <= budget:
                return found
        if all(min(picture.shape[:2]) <= _SMALLEST for picture in sized):
            raise ValueError(f"{len(pictures)} pictures do not fit into {budget} characters")
        scale *= _SHRINK


def webp_uri(picture: Picture, quality: int) -> str:
    """Data URI of a picture (H, W, 3), RGB; without loss at a quality of 101."""
    flags = [cv2.IMWRITE_WEBP_QUALITY, quality]
    _, encoded = cv2.imencode(".webp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    return f"data:image/webp;base64,{base64.b64encode(np.asarray(encoded).tobytes()).decode()}"


def _scaled(picture: Picture, scale: float) -> Picture:
    rows, columns = picture.shape[:2]
    sides = [max(round(scale * side), min(side, _SMALLEST)) for side in (columns, rows)]
    if (rows, columns) == (sides[1], sides[0]):
        return picture
    return resample(picture, width=sides[0], height=sides[1])
