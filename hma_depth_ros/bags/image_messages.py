"""Pixels of sensor_msgs images without copying, of rosbags' and rclpy's messages alike."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.message_types import IMAGE, header, message
from hma_depth_ros.errors import HmaDepthError

#: Element type and number of channels of the encodings that need no decoding
#: (sensor_msgs/image_encodings.hpp).
ENCODINGS: dict[str, tuple[str, int]] = {
    "rgb8": ("u1", 3),
    "bgr8": ("u1", 3),
    "rgba8": ("u1", 4),
    "bgra8": ("u1", 4),
    "mono8": ("u1", 1),
    "8UC1": ("u1", 1),
    "8UC3": ("u1", 3),
    "mono16": ("u2", 1),
    "16UC1": ("u2", 1),
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
        HmaDepthError: an encoding that is not in `ENCODINGS`, or sizes that do not fit together.

    """
    if image.encoding not in ENCODINGS:
        raise HmaDepthError(
            f"image encoding {image.encoding!r} is not supported here, only {', '.join(ENCODINGS)}"
        )
    kind, channels = ENCODINGS[image.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if image.is_bigendian else "<")
    height, width, step = int(image.height), int(image.width), int(image.step)
    data = np.frombuffer(image.data, np.uint8)
    pixel = channels * dtype.itemsize
    if height == 0 or width == 0 or step < width * pixel or data.size < height * step:
        raise HmaDepthError(
            f"not a whole image: {width}x{height} {image.encoding} with step {step} "
            f"in {data.size} bytes"
        )
    view: npt.NDArray[Any] = np.ndarray(
        (height, width, channels),
        dtype,
        buffer=data,
        strides=(step, pixel, dtype.itemsize),
    )
    return view[..., 0] if channels == 1 else view


def rgb_image(image: Any) -> npt.NDArray[np.uint8]:
    """Pixels of an 8-bit Image, or of a CompressedImage, as (H, W, 3) uint8 RGB.

    Raises:
        HmaDepthError: not such an image, or one that cannot be decoded.

    """
    if hasattr(image, "format"):  # CompressedImage
        return _decompress(image)
    if image.encoding not in _TO_RGB:
        raise HmaDepthError(f"image encoding {image.encoding!r} is not a picture of 8 bits")
    pixels, conversion = image_array(image), _TO_RGB[image.encoding]
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


def _decompress(image: Any) -> npt.NDArray[np.uint8]:
    data = np.frombuffer(image.data, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        raise HmaDepthError(
            f"cannot decode a compressed image of {data.size} bytes ({image.format})"
        )
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
