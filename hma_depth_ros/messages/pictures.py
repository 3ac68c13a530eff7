"""Image messages as pictures for the predictor, of rosbags' and rclpy's messages alike.

The node and the tools for bags both come through here: they see the same pixels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.messages.compressed_image import decompressed
from hma_depth_ros.messages.image import BadImageError, UnknownEncodingError, image_array

Pixels = npt.NDArray[np.uint8]

#: Encodings that the predictor takes as they lie in the message (for the nameless OpenCV types the
#: order is OpenCV's).
DIRECT_ENCODINGS = {
    "rgb8": PixelFormat.RGB,
    "bgr8": PixelFormat.BGR,
    "rgba8": PixelFormat.RGBA,
    "bgra8": PixelFormat.BGRA,
    "mono8": PixelFormat.MONO,
    "8UC1": PixelFormat.MONO,
    "8UC3": PixelFormat.BGR,
    "8UC4": PixelFormat.BGRA,
}

#: OpenCV's conversion of the other encodings to RGB or grey; None where only bits are too many.
CONVERSIONS: dict[str, int | None] = {
    **{
        f"bayer_{order}{bits}": code
        for bits in (8, 16)
        for order, code in (
            ("rggb", cv2.COLOR_BayerRGGB2RGB),
            ("bggr", cv2.COLOR_BayerBGGR2RGB),
            ("gbrg", cv2.COLOR_BayerGBRG2RGB),
            ("grbg", cv2.COLOR_BayerGRBG2RGB),
        )
    },
    **dict.fromkeys(("uyvy", "yuv422"), cv2.COLOR_YUV2RGB_UYVY),
    **dict.fromkeys(("yuyv", "yuv422_yuy2"), cv2.COLOR_YUV2RGB_YUY2),
    **dict.fromkeys(("mono16", "16UC1", "rgb16"), None),
    **dict.fromkeys(("bgr16", "16UC3"), cv2.COLOR_BGR2RGB),
    "rgba16": cv2.COLOR_RGBA2RGB,
    "bgra16": cv2.COLOR_BGRA2RGB,
}


#: What turns a picture into RGB; None where it is RGB.
_TO_RGB: dict[PixelFormat, int | None] = {
    PixelFormat.RGB: None,
    PixelFormat.BGR: cv2.COLOR_BGR2RGB,
    PixelFormat.RGBA: cv2.COLOR_RGBA2RGB,
    PixelFormat.BGRA: cv2.COLOR_BGRA2RGB,
    PixelFormat.MONO: cv2.COLOR_GRAY2RGB,
}


def picture(message: Any) -> tuple[Pixels, PixelFormat]:
    """Pixels (H, W, C), or (H, W) for MONO, and their format, of an Image or CompressedImage.

    A view for Images in `DIRECT_ENCODINGS`.

    Raises:
        UnknownEncodingError: an encoding that nothing here can read.
        BadImageError: a message that is no picture, or not a whole one.

    """
    if hasattr(message, "format"):
        pixels, encoding = decompressed(message)
    else:
        encoding = message.encoding
        if encoding not in DIRECT_ENCODINGS and encoding not in CONVERSIONS:
            known = ", ".join(sorted([*DIRECT_ENCODINGS, *CONVERSIONS]))
            raise UnknownEncodingError(
                f"encoding '{encoding}' is not supported; publish one of {known}"
            )
        pixels = image_array(message)
    direct = DIRECT_ENCODINGS.get(encoding)
    return (pixels, direct) if direct is not None else _converted(pixels, encoding)


def rgb_image(message: Any) -> Pixels:
    """Pixels of an Image or CompressedImage as (H, W, 3) uint8 RGB.

    Raises:
        BadImageError: see `picture`.

    """
    pixels, pixel_format = picture(message)
    conversion = _TO_RGB[pixel_format]
    return pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def _converted(pixels: npt.NDArray[Any], encoding: str) -> tuple[Pixels, PixelFormat]:
    stored = np.ascontiguousarray(pixels)
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if (code := CONVERSIONS[encoding]) is not None:
        try:
            native = np.asarray(cv2.cvtColor(native, code))
        except cv2.error as error:
            raise BadImageError(
                f"{pixels.shape[1]}x{pixels.shape[0]} {encoding} cannot be converted "
                f"(OpenCV: {error.err})"
            ) from error
    if native.dtype == np.uint16:
        native = np.asarray(cv2.convertScaleAbs(native, alpha=255 / 65535))
    if native.ndim == 2 or native.shape[-1] == 1:
        return native.reshape(native.shape[:2]), PixelFormat.MONO
    return native, PixelFormat.RGB
