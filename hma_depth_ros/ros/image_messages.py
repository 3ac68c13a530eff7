"""`Image` and `CompressedImage` messages to NumPy and back, without copies where there is a way."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.pixels import PixelFormat

Pixels = npt.NDArray[np.uint8]


class BadImageError(HmaDepthError):
    """An image message that cannot be what it says it is."""


#: Encodings that the predictor takes as they lie in the message (sensor_msgs/image_encodings.hpp;
#: for the nameless OpenCV types the order is OpenCV's).
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

# Encodings that OpenCV turns into RGB: channels of the message, its type, OpenCV's conversion.
# cv_bridge comes last (see `_through_cv_bridge`): the distribution's build breaks under NumPy 2,
# and the pure Python one knows neither these YUV orders nor 16 bits.
_CONVERSIONS: dict[str, tuple[int, type, int | None]] = {
    **{
        f"bayer_{order}{bits}": (1, np.uint8 if bits == 8 else np.uint16, code)
        for bits in (8, 16)
        for order, code in (
            ("rggb", cv2.COLOR_BayerRGGB2RGB),
            ("bggr", cv2.COLOR_BayerBGGR2RGB),
            ("gbrg", cv2.COLOR_BayerGBRG2RGB),
            ("grbg", cv2.COLOR_BayerGRBG2RGB),
        )
    },
    **dict.fromkeys(("uyvy", "yuv422"), (2, np.uint8, cv2.COLOR_YUV2RGB_UYVY)),
    **dict.fromkeys(("yuyv", "yuv422_yuy2"), (2, np.uint8, cv2.COLOR_YUV2RGB_YUY2)),
    **dict.fromkeys(("mono16", "16UC1"), (1, np.uint16, None)),
    "rgb16": (3, np.uint16, None),
    **dict.fromkeys(("bgr16", "16UC3"), (3, np.uint16, cv2.COLOR_BGR2RGB)),
    "rgba16": (4, np.uint16, cv2.COLOR_RGBA2RGB),
    "bgra16": (4, np.uint16, cv2.COLOR_BGRA2RGB),
}


def image_from_message(message: Image) -> tuple[Pixels, PixelFormat]:
    """Pixels (H, W, C), or (H, W) for MONO, and their format; a view for `DIRECT_ENCODINGS`.

    Raises:
        BadImageError: no size or an impossible one, too little data, or an encoding that nothing
            here can read.

    """
    direct = DIRECT_ENCODINGS.get(message.encoding)
    if direct is not None:
        pixels = _view(message, direct.channels, np.dtype(np.uint8))
        return (pixels[..., 0] if direct is PixelFormat.MONO else pixels), direct
    if message.encoding not in _CONVERSIONS:
        return _through_cv_bridge(message), PixelFormat.RGB
    channels, kind, code = _CONVERSIONS[message.encoding]
    stored = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    pixels = np.ascontiguousarray(_view(message, channels, stored))
    native: npt.NDArray[Any] = pixels.astype(kind, copy=False)
    if code is not None:
        try:
            native = np.asarray(cv2.cvtColor(native, code))
        except cv2.error as error:
            raise BadImageError(
                f"{message.width}x{message.height} {message.encoding} cannot be converted "
                f"(OpenCV: {error.err})"
            ) from error
    if native.dtype == np.uint16:
        native = np.asarray(cv2.convertScaleAbs(native, alpha=255 / 65535))
    if native.ndim == 2 or native.shape[-1] == 1:
        return native.reshape(native.shape[:2]), PixelFormat.MONO
    return native, PixelFormat.RGB


def _view(message: Image, channels: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """(H, W, channels) of a message's data with its row stride, checked against its length."""
    height, width, step = message.height, message.width, message.step
    if height == 0 or width == 0:
        raise BadImageError(f"image of {width}x{height} pixels: the publisher sends no picture")
    row = width * channels * kind.itemsize
    if step < row:
        raise BadImageError(
            f"a row of {width} {message.encoding} pixels takes {row} bytes, but step is {step}"
        )
    data = np.frombuffer(message.data, np.uint8)
    needed = step * (height - 1) + row  # the last row may come without its padding
    if data.size < needed:
        raise BadImageError(
            f"{width}x{height} {message.encoding} needs {needed} bytes, the message has {data.size}"
        )
    return np.ndarray(
        (height, width, channels),
        kind,
        buffer=data,
        strides=(step, channels * kind.itemsize, kind.itemsize),
    )


def _through_cv_bridge(message: Image) -> Pixels:
    """RGB of an encoding that only cv_bridge may know. Imported late, since it may not import."""
    known = ", ".join(sorted([*DIRECT_ENCODINGS, *_CONVERSIONS]))
    try:
        from cv_bridge import CvBridge

        converted = CvBridge().imgmsg_to_cv2(message, "rgb8")
    except Exception as error:  # its builds raise anything from KeyError to AttributeError
        raise BadImageError(
            f"encoding '{message.encoding}' is not supported, and cv_bridge does not convert it "
            f"({type(error).__name__}: {error}); publish one of {known}"
        ) from error
    return np.asarray(converted, np.uint8)


def image_from_compressed(message: CompressedImage) -> tuple[Pixels, PixelFormat]:
    """Decode JPEG, PNG or whatever else OpenCV reads, as image_transport's plugin does.

    Raises:
        BadImageError: the data are not an image.

    """
    data = np.frombuffer(message.data, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # OpenCV 4 raises for a header that promises too many pixels
        decoded = None
    if decoded is None:
        raise BadImageError(
            f"cannot decode {data.size} bytes of format '{message.format}' as an image"
        )
    return np.asarray(decoded, np.uint8), PixelFormat.BGR


def byte_array(values: npt.NDArray[Any]) -> array[int]:
    """Bytes of an array as a message field wants them.

    rclpy checks any other type value by value in Python: a thousand times slower.
    """
    data = array("B")
    data.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return data


def image_message(header: Header, pixels: npt.NDArray[Any], encoding: str) -> Image:
    """Message of an array (H, W) or (H, W, C) that has the type of `encoding`."""
    message = Image(header=header)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = sys.byteorder == "big"
    message.step = pixels.itemsize * int(np.prod(pixels.shape[1:]))
    message.data = byte_array(pixels)
    return message


def depth_message(header: Header, depth: npt.NDArray[np.float32], encoding: str) -> Image:
    """Depth image by REP 118, of (H, W) in metres.

    32FC1 carries metres as they are, with NaN for no depth and +inf beyond the range (REP 117).
    16UC1 carries millimetres, 0 where there is no depth or more than 65.535 m.
    """
    if encoding == "32FC1":
        return image_message(header, depth, encoding)
    millimetres = np.rint(depth * np.float32(1000))
    # NaN compares false.
    valid = (millimetres >= 1) & (millimetres <= 65535)
    return image_message(header, np.where(valid, millimetres, 0).astype(np.uint16), encoding)
