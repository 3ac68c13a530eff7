"""Pixels of sensor_msgs images without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
    stored = data.size // height
    if step == row and data.size == stored * height and stored in _padded(row):
        raise BadImageError(
            f"its data have rows of {stored} bytes, but step says {step}: the publisher must set "
            "step to what a row takes with its padding"
        )
    view: npt.NDArray[Any] = np.ndarray(
        (height, width, channels),
        dtype,
        buffer=data,
        strides=(step, channels * dtype.itemsize, dtype.itemsize),
    )
    return view[..., 0] if channels == 1 else view


def _padded(row: int) -> set[int]:
    """Lengths of a row of so many bytes where rows begin at multiples of 4 to 256 bytes."""
    return {-(-row // unit) * unit for unit in (4, 8, 16, 32, 64, 128, 256)} - {row}
