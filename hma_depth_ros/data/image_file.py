"""Colour images in files, as RGB arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from hma_depth_ros.data.image_limits import excess
from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.files import atomic_path

#: Of the orientation tag: those that swap width and height.
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112
#: Tags of TIFF.
_WIDTH, _HEIGHT, _PHOTOMETRIC = 256, 257, 262
_WHITE_IS_ZERO = 0
#: Formats of films and stacks. (A photograph of a telephone, MPO, has its own small pictures.)
_OF_SEVERAL = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
_BIT_DEPTH = (
    24  #: Where a PNG has it (ISO/IEC 15948, 11.2.1: ninth byte of the first chunk's data).
)


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Image (H, W, 3), RGB, of any file that Pillow reads; a grey one gets three equal channels.

    16 bits are scaled to 8, as the node does it, and floating-point pixels from [0, 1]. A camera's
    orientation tag (EXIF) is applied. Pillow rather than OpenCV, which returns the upper half of a
    truncated JPEG as if it were whole.

    Raises:
        HmaDepthError: the file is missing, damaged, not an image, or holds numbers whose white is
            not known.

    """
    with _opened(path) as image:
        inverted = (
            isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        )
        # So Pillow has all 16-bit PNM, and 16-bit PNG before version 10.3.
        sixteen = image.mode == "I" and image.format in ("PPM", "PNG", "JPEG2000")
        mode = "I;16" if sixteen else image.mode
        ImageOps.exif_transpose(image, in_place=True)
        if mode.startswith("I;16"):
            grey = _from_16_bits(np.asarray(image), inverted=inverted)
        elif mode in ("I", "F"):
            grey = _from_numbers(np.asarray(image), path, inverted=inverted)
        else:
            image.info.pop("transparency", None)  # of a palette, about which Pillow would warn
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    return np.repeat(grey[..., None], 3, axis=2)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as `read_rgb` gives the image, without decoding most kinds of files.

    Raises:
        HmaDepthError: the file is missing or not an image.

    """
    with _opened(path) as image:
        width, height = image.size
        if isinstance(
            image, TiffImageFile
        ):  # whose size Pillow gives as stored or as shown, by its version
            width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
        return (height, width) if image.getexif().get(_ORIENTATION) in _TURNED else (width, height)


def size_of_any(paths: Iterable[Path]) -> tuple[int, int]:
    """`image_size` of the first of the images of one camera that can be read.

    Raises:
        HmaDepthError: none can be; the first one is named.

    """
    first_error: HmaDepthError | None = None
    for path in paths:
        try:
            return image_size(path)
        except HmaDepthError as error:
            first_error = first_error or error
    raise first_error or HmaDepthError("there is no image to tell the camera's image size by")


def is_plain(path: Path, file_format: Literal["PNG", "JPEG"], *, grey: bool) -> bool:
    """Whether the file's own bytes are what every reader sees as the image that `read_rgb` gives.

    That is, of the format whatever the suffix, with 8-bit pixels, grey or RGB as asked, and without
    an orientation tag, which some readers apply and others do not.

    Raises:
        HmaDepthError: the file is missing or not an image.

    """
    with _opened(path) as image:
        if image.format != file_format or image.mode != ("L" if grey else "RGB"):
            return False
        if image.getexif().get(_ORIENTATION, 1) != 1:
            return False
    if file_format == "JPEG":
        return True
    with path.open("rb") as file:  # Pillow gives colours of 16 bits as 8
        return file.read(_BIT_DEPTH + 1)[_BIT_DEPTH] == 8


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            if too_much := excess(*image.size, path.stat().st_size):
                raise HmaDepthError(f"the image {path} {too_much}")
            if (count := _pictures(image)) > 1:
                raise HmaDepthError(
                    f"{path} has {count} pictures; save the one that is meant, or each, as PNG"
                )
            yield image
    except HmaDepthError:
        raise
    except UnidentifiedImageError as error:
        kind = known_kind(path) or ""
        rare = " of a kind that is not known here; save it as PNG" if kind.endswith("image") else ""
        what = f": it is {kind}{rare}" if kind else ""
        raise HmaDepthError(f"{path} is not an image that can be read{what}") from error
    except Exception as error:  # Pillow's decoders raise nearly every kind for damaged files
        reason = getattr(error, "strerror", None) or one_line(error)
        raise HmaDepthError(f"cannot read the image {path}: {reason}") from error


def _pictures(image: Image.Image) -> int:
    """Pictures that a file holds; a small one of the first, for file managers, does not count."""
    if image.format not in _OF_SEVERAL:
        return 1
    count = int(getattr(image, "n_frames", 1))
    if count > 1 and image.format == "TIFF":
        size = image.size
        image.seek(1)
        equal = image.size == size
        image.seek(0)
        return count if equal else 1
    return count


def _from_16_bits(stored: npt.NDArray[Any], *, inverted: bool) -> npt.NDArray[np.uint8]:
    native = stored.astype(np.uint16)  # Pillow's 32-bit numbers and big-endian ones
    grey = np.asarray(cv2.convertScaleAbs(native, alpha=255 / 65535), np.uint8)
    return 255 - grey if inverted else grey


def _from_numbers(stored: npt.NDArray[Any], path: Path, *, inverted: bool) -> npt.NDArray[np.uint8]:
    """Grey of floating-point pixels in [0, 1]."""
    low, high = float(stored.min()), float(stored.max())
    rounding = 1e-3
    if stored.dtype.kind != "f" or inverted or not -rounding <= low <= high <= 1 + rounding:
        kind = "floating-point" if stored.dtype.kind == "f" else "signed or 32-bit"
        raise HmaDepthError(
            f"{path} has {kind} pixels from {low:g} to {high:g}, of which nobody says what is "
            "white; save it with 8 or 16 bits, or as floating point from 0 to 1"
        )
    return np.rint(np.clip(stored, 0, 1) * 255).astype(np.uint8)


def write_png(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write an image (H, W, 3), RGB, as PNG.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    with atomic_path(path) as temporary:
        _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        temporary.write_bytes(encoded.tobytes())
