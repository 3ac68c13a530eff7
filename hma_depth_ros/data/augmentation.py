"""Random changes of a training frame that keep image, depth and focal length consistent."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; BTS's values where it has them."""

    zoom: float = 1.3  #: the frame is enlarged by U(1, zoom) before the crop
    flip: float = 0.5  #: probability of mirroring
    colour: float = 0.5  #: probability of changing gamma, brightness and colour
    colour_range: float = 0.2  #: each in U(1 - range, 1 + range)


def fit_to_width(
    image: Image, depth: Depth, focal_length: float, width: int
) -> tuple[Image, Depth, float]:
    """Resample to `width`; depth by nearest neighbour, since a mean of two depths is neither."""
    scale = width / image.shape[1]
    size = (width, round(image.shape[0] * scale))
    shrink = scale < 1
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    nearest = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return (
        np.asarray(resized, np.uint8),
        np.asarray(nearest, np.float32),
        focal_length * scale,
    )


def random_crop(
    image: Image,
    depth: Depth,
    focal_length: float,
    *,
    size: tuple[int, int],
    augmentation: Augmentation,
    random: np.random.Generator,
) -> tuple[Image, Depth, float]:
    """Zoom, cut a window (height, width), mirror, change colours.

    The window must fit in the frame. Returns the window and its focal length in pixels.
    """
    height, width = size
    needed = max(height / image.shape[0], width / image.shape[1], 1.0)
    zoom = needed * random.uniform(1.0, augmentation.zoom)
    image, depth, focal_length = fit_to_width(
        image, depth, focal_length, int(np.ceil(image.shape[1] * zoom))
    )
    top = int(random.integers(0, image.shape[0] - height + 1))
    left = int(random.integers(0, image.shape[1] - width + 1))
    image = image[top : top + height, left : left + width]
    depth = depth[top : top + height, left : left + width]
    if random.random() < augmentation.flip:
        image, depth = image[:, ::-1], depth[:, ::-1]
    if random.random() < augmentation.colour:
        image = change_colours(image, augmentation.colour_range, random)
    return np.ascontiguousarray(image), np.ascontiguousarray(depth), focal_length


def change_colours(image: Image, extent: float, random: np.random.Generator) -> Image:
    """Gamma, brightness and a gain per channel in U(1 - extent, 1 + extent), through a table."""
    gamma, brightness = random.uniform(1 - extent, 1 + extent, 2)
    gains = random.uniform(1 - extent, 1 + extent, 3)
    levels = (np.arange(256) / 255) ** gamma * brightness * 255
    table = np.clip(np.outer(levels, gains).round(), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)
