"""Colour images in files, as RGB arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Image (H, W, 3), RGB, of any file that Pillow reads; a grey one gets three equal channels.

    A camera's orientation tag (EXIF) is applied. Pillow rather than OpenCV, which returns the upper
    half of a truncated JPEG as if it were whole. (Pillow calls a damaged PNG a SyntaxError.)

    Raises:
        HmaDepthError: the file is missing, damaged or not an image.

    """
    try:
        with Image.open(path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise HmaDepthError(f"{path} is not an image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HmaDepthError(f"cannot read the image {path}: {reason}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, read off the file's beginning; an orientation tag is not applied.

    Raises:
        HmaDepthError: the file is missing or not an image.

    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError) as error:  # UnidentifiedImageError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise HmaDepthError(f"cannot read the image {path}: {reason}") from error


def write_png(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write an image (H, W, 3), RGB, as PNG.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with atomic_path(path) as temporary:
        _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        temporary.write_bytes(encoded.tobytes())
