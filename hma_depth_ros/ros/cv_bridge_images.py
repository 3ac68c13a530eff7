"""`Image` and `CompressedImage` messages to NumPy and back, without copies where there is a way."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.messages.image import BadImageError, UnknownEncodingError
from hma_depth_ros.messages.pictures import Pixels, picture


def image_from_message(message: Image | CompressedImage) -> tuple[Pixels, PixelFormat]:
    """See `messages.pictures.picture`; what is not known there goes through cv_bridge.

    cv_bridge comes last: the distribution's build breaks under NumPy 2, and the pure Python one
    knows neither all YUV orders nor 16 bits.

    Raises:
        BadImageError: not a whole picture, or an encoding that nothing here can read.

    """
    try:
        return picture(message)
    except UnknownEncodingError as unknown:
        return _through_cv_bridge(message, str(unknown)), PixelFormat.RGB


def _through_cv_bridge(message: Image, unknown: str) -> Pixels:
    """RGB of an encoding that only cv_bridge may know. Imported late, since it may not import."""
    try:
        from cv_bridge import CvBridge

        converted = CvBridge().imgmsg_to_cv2(message, "rgb8")
    except Exception as error:  # its builds raise anything from KeyError to AttributeError
        raise BadImageError(
            f"{unknown} (cv_bridge does not convert it: {type(error).__name__}: {error})"
        ) from error
    return np.asarray(converted, np.uint8)


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
