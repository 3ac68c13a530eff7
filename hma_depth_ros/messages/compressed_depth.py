"""Depth as image_transport's `compressedDepth`, of rosbags' and rclpy's messages alike.

The data of a CompressedImage whose format is "32FC1; compressedDepth png" are, as
compressed_depth_image_transport (codec.cpp, compression_common.h) writes them, a header of three
little-endian words, int32 0 and float32 A and B, and a file of 16 bits a pixel. Metres z are

    q = A / z + B,   A = z0 (z0 + 1),   B = 1 - A / z_max,   z = A / (q - B),

and q = 0 is no depth. With "16UC1; ..." the pixels are the millimetres themselves, and the header
counts for nothing. The file is a PNG, or in RVL ("compressedDepth rvl") after its width and height.

What is written here differs in two things that no decoder has to know of. z_max is infinite, so
that B is 1 and every depth has a number, q = 1 being +inf: with image_transport's own maximum of
10 m the road ends there. And q is rounded where image_transport cuts down, which halves the error
and takes the bias from it: with its z0 of 100 m the error is up to z^2 / 20200 metres (5 mm at
10 m, 32 cm at 80 m). What is nearer than 0.154 m is stored as that.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_limits import UNPROVEN_PIXELS, encoded_excess
from hma_depth_ros.messages.compressed_image import CompressedFormat
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.messages.rvl import decoded_rvl

#: int32: inverse depth; float32: A and B.
_HEADER = struct.Struct("<iff")
#: Width and height, before the data in RVL.
_SIZE = struct.Struct("<II")
_INVERSE_DEPTH = 0

#: Metres at which neighbouring numbers are one metre apart; image_transport's default.
_ONE_METRE_AT = 100.0
_A = _ONE_METRE_AT * (_ONE_METRE_AT + 1)
#: Of no maximum.
_B = 1.0

#: Of level 1 and the difference from the pixel above a frame of 1242x375 takes 9 ms and 0.20 MB; of
#: what OpenCV does unasked 13 ms and 0.26 MB, of level 6 71 ms and 0.17 MB.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.11
    _PNG += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]

_TRANSPORT = "compressedDepth"
_FLOAT = "32FC1"
_WHOLE = ("16UC1", "mono16")


def is_compressed_depth(image: Any) -> bool:
    """Whether a message is a CompressedImage of this transport."""
    return _TRANSPORT in str(getattr(image, "format", ""))


def compressed_depth(pixels: npt.NDArray[Any]) -> tuple[str, bytes]:
    """`format` and `data` of a CompressedImage of depth.

    Args:
        pixels: (H, W) of a depth image: float32 metres, in which NaN is no depth and +inf beyond
            the range, or uint16 millimetres, 0 for none (see `encoded_depth`).

    """
    if pixels.dtype == np.uint16:
        encoding, stored, header = _WHOLE[0], pixels, _HEADER.pack(_INVERSE_DEPTH, 0, 0)
    else:
        encoding, stored = _FLOAT, _quantised(pixels)
        header = _HEADER.pack(_INVERSE_DEPTH, _A, _B)
    written, png = cv2.imencode(".png", stored, _PNG)
    assert written, pixels.shape
    return f"{encoding}; {_TRANSPORT} png", header + png.tobytes()


def _quantised(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    with np.errstate(divide="ignore"):
        numbers = np.float32(_A) / depth
    numbers += np.float32(_B + 0.5)  # the cast cuts down
    np.minimum(numbers, np.float32(65535), out=numbers)
    # NaN compares false.
    return np.where(depth > 0, numbers, np.float32(0)).astype(np.uint16)


def decompressed_depth(image: Any) -> npt.NDArray[np.float32]:
    """Depth (H, W) in metres of a CompressedImage of any node; NaN where it has none.

    Raises:
        BadImageError: not depth of this transport, or not a whole image.

    """
    stated = CompressedFormat.of(image)
    data = np.frombuffer(image.data, np.uint8)
    if stated.encoding not in (_FLOAT, *_WHOLE) or not is_compressed_depth(image):
        raise BadImageError(
            f"'{image.format}' is not {_FLOAT} or {_WHOLE[0]} depth of {_TRANSPORT}"
        )
    if data.size <= _HEADER.size:
        raise BadImageError(f"{data.size} bytes of '{image.format}' are no image")
    codec = stated.rest.partition(_TRANSPORT)[2].strip() or "png"
    if codec == "png":
        numbers = _from_png(data[_HEADER.size :], image.format)
    elif codec == "rvl":
        numbers = _from_rvl(data[_HEADER.size :])
    else:
        raise BadImageError(f"'{image.format}' is neither png nor rvl")
    if stated.encoding in _WHOLE:
        return np.where(numbers > 0, numbers / np.float32(1000), np.float32(np.nan))
    _, a, b = _HEADER.unpack_from(data.data)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (numbers.astype(np.float32) - np.float32(b))
    depth[numbers == 0] = np.nan
    return depth


def _from_png(data: npt.NDArray[np.uint8], what: str) -> npt.NDArray[np.uint16]:
    if too_much := encoded_excess(data.tobytes()):
        raise BadImageError(f"{data.size} bytes of '{what}' hold no PNG of 16 bits: it {too_much}")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # OpenCV 4 raises for a header that promises too many pixels
        pixels = None
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise BadImageError(f"{data.size} bytes of '{what}' hold no PNG of 16 bits a pixel")
    return np.asarray(pixels, np.uint16)


def _from_rvl(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    width, height = _SIZE.unpack_from(data.data) if data.size >= _SIZE.size else (0, 0)
    if not 0 < width * height <= UNPROVEN_PIXELS:
        raise BadImageError(f"{data.size} bytes of RVL are no image of {width}x{height} pixels")
    return decoded_rvl(data[_SIZE.size :].copy(), width * height).reshape(height, width)
