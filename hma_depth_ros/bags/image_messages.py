"""Pixels of sensor_msgs images without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.message_types import IMAGE, header, message
from hma_depth_ros.errors import HmaDepthError


class BadImageError(HmaDepthError):
    """An image message that cannot be what it says it is."""


class UnknownEncodingError(BadImageError):
    """An encoding that nothing here can read; cv_bridge may."""


#: Element type and number of channels of each encoding whose layout is known
#: (sensor_msgs/image_encodings.hpp). Two channels are those of YUV 4:2:2.
ENCODINGS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("rgb8", "bgr8", "8UC3"), ("u1", 3)),
    **dict.fromkeys(("rgba8", "bgra8", "8UC4"), ("u1", 4)),
    **dict.fromkeys(("mono8", "8UC1"), ("u1", 1)),
    **dict.fromkeys(("uyvy", "yuv422", "yuyv", "yuv422_yuy2"), ("u1", 2)),
    **dict.fromkeys(("mono16", "16UC1"), ("u2", 1)),
    **dict.fromkeys(("rgb16", "bgr16", "16UC3"), ("u2", 3)),
    **dict.fromkeys(("rgba16", "bgra16"), ("u2", 4)),
    **{
        f"bayer_{order}{bits}": (f"u{bits // 8}", 1)
        for order in ("rggb", "bggr", "gbrg", "grbg")
        for bits in (8, 16)
    },
    "32FC1": ("f4", 1),
}

#: What turns an encoding into RGB; None where it is RGB.
_TO_RGB: dict[str, int | None] = {
    "rgb8": None,
    "bgr8": cv2.COLOR_BGR2RGB,
    "8UC3": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "8UC1": cv2.COLOR_GRAY2RGB,
}


def image_array(image: Any) -> npt.NDArray[Any]:
    """View of an Image's pixels: (H, W) or (H, W, C), in the message's encoding and byte order.

    Raises:
        UnknownEncodingError: an encoding that is not in `ENCODINGS`.
        BadImageError: no size or an impossible one, or too little data.

    """
    if image.encoding not in ENCODINGS:
        raise UnknownEncodingError(
            f"image encoding '{image.encoding}' is not supported here, only {', '.join(ENCODINGS)}"
        )
    kind, channels = ENCODINGS[image.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if image.is_bigendian else "<")
    height, width, step = int(image.height), int(image.width), int(image.step)
    if height == 0 or width == 0:
        raise BadImageError(f"image of {width}x{height} pixels: the publisher sends no picture")
    row = width * channels * dtype.itemsize
    if step < row:
        raise BadImageError(
            f"a row of {width} {image.encoding} pixels takes {row} bytes, but step is {step}"
        )
    data = np.frombuffer(image.data, np.uint8)
    needed = step * (height - 1) + row  # the last row may come without its padding
    if data.size < needed:
        raise BadImageError(
            f"{width}x{height} {image.encoding} needs {needed} bytes, the message has {data.size}"
        )
    view: npt.NDArray[Any] = np.ndarray(
        (height, width, channels),
        dtype,
        buffer=data,
        strides=(step, channels * dtype.itemsize, dtype.itemsize),
    )
    return view[..., 0] if channels == 1 else view


def decompressed(image: Any) -> npt.NDArray[np.uint8]:
    """Pixels (H, W, 3), BGR, of a CompressedImage: JPEG, PNG or whatever else OpenCV reads.

    Raises:
        BadImageError: the data are not an image.

    """
    data = np.frombuffer(image.data, np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # OpenCV 4 raises for a header that promises too many pixels
        pixels = None
    if pixels is None:
        raise BadImageError(
            f"cannot decode {data.size} bytes of format '{image.format}' as an image"
        )
    return np.asarray(pixels, np.uint8)


def rgb_image(image: Any) -> npt.NDArray[np.uint8]:
    """Pixels of an 8-bit Image, or of a CompressedImage, as (H, W, 3) uint8 RGB.

    Raises:
        BadImageError: not such an image, or one that cannot be decoded.

    """
    if hasattr(image, "format"):  # CompressedImage
        pixels, conversion = decompressed(image), _TO_RGB["bgr8"]
    elif image.encoding in _TO_RGB:
        pixels, conversion = image_array(image), _TO_RGB[image.encoding]
    else:
        raise BadImageError(f"image encoding '{image.encoding}' is not a picture of 8 bits")
    return np.asarray(
        pixels if conversion is None else cv2.cvtColor(pixels, conversion), dtype=np.uint8
    )


def image_message(pixels: npt.NDArray[Any], encoding: str, *, stamp: int, frame: str) -> Any:
    """Image message for a bag. The pixels are copied only where they are not contiguous.

    Args:
        pixels: (H, W) or (H, W, C) in the element type of `encoding`.
        encoding: one of `ENCODINGS`.
        stamp: nanoseconds.
        frame: name of the optical frame.

    """
    kind, channels = ENCODINGS[encoding]
    shape = pixels.shape if channels > 1 else (*pixels.shape, 1)
    assert shape[2:] == (channels,) and pixels.dtype == np.dtype(kind), (encoding, pixels.shape)
    height, width = pixels.shape[:2]
    return message(
        IMAGE,
        header=header(stamp, frame),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * channels * pixels.dtype.itemsize,
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )
