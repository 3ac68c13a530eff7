"""Pictures that are no street, made of pictures of one, for a network to be judged by."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  #: (H, W, 3)


def _covered(image: Picture) -> Picture:
    """Nearly black, with a sensor's noise."""
    noise = np.random.default_rng(0).normal(4, 3, image.shape)
    return np.clip(noise, 0, 255).astype(np.uint8)


def _noise(image: Picture) -> Picture:
    return np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)


def _overexposed(image: Picture) -> Picture:
    """Three stops and more: what is left are the shadows."""
    return np.clip(image.astype(np.float32) * 8 + 60, 0, 255).astype(np.uint8)


def _unfocused(image: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), image.shape[1] / 100), np.uint8)


def _wall(image: Picture) -> Picture:
    """Bricks that fill the picture, with stains, as when the camera stands before a wall."""
    height, width = image.shape[:2]
    brick = max(height // 5, 4)
    rows, columns = np.indices((height, width))
    joints = (rows % brick < 3) | ((columns + rows // brick % 2 * brick) % (2 * brick) < 3)
    random = np.random.default_rng(0).normal(0, 40, (height, width)).astype(np.float32)
    stains = 1.5 * cv2.GaussianBlur(random, (0, 0), 2)
    wall = np.where(joints, 200, 130) + stains
    return np.repeat(np.clip(wall, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


#: What makes them, by name.
SPOILED: dict[str, Callable[[Picture], Picture]] = {
    "black": np.zeros_like,
    "covered": _covered,
    "white": lambda image: np.full_like(image, 255),
    "noise": _noise,
    "out of focus": _unfocused,
    "a wall": _wall,
    "upside down": lambda image: np.ascontiguousarray(image[::-1, ::-1]),
    "overexposed": _overexposed,
    "underexposed": lambda image: image // 20,
    "fog": lambda image: (image * 0.1 + 180).astype(np.uint8),
    "lower half covered": lambda image: np.concatenate(
        [image[: len(image) // 2], np.zeros_like(image[len(image) // 2 :])]
    ),
}
