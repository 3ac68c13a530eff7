"""Order of the channels of uint8 images; without PyTorch, whose import bag tools do not need."""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt


class PixelFormat(Enum):
    """Order of the channels of a uint8 image; the value lists where red, green and blue are."""

    RGB = (0, 1, 2)
    BGR = (2, 1, 0)
    RGBA = (0, 1, 2, 3)
    BGRA = (2, 1, 0, 3)
    MONO = (0,)

    @property
    def channels(self) -> int:
        """Channels of the array."""
        return len(self.value)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Index of the red, the green and the blue channel."""
        red, green, blue = self.value[:3] if self.channels > 1 else (0, 0, 0)
        return red, green, blue


def check_image(image: npt.NDArray[np.uint8], pixel_format: PixelFormat) -> None:
    """Check that an array is an image (H, W, C), or (H, W) for MONO, of that format.

    Raises:
        ValueError: it is not.

    """
    expected = 2 if pixel_format is PixelFormat.MONO else 3
    channels = 1 if image.ndim == 2 else image.shape[-1]
    if image.dtype != np.uint8 or image.ndim != expected or channels != pixel_format.channels:
        raise ValueError(
            f"not a uint8 {pixel_format.name} image: shape {image.shape}, type {image.dtype}"
        )
    if 0 in image.shape:
        raise ValueError(f"the image is empty: shape {image.shape}")
