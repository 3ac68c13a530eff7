"""sensor_msgs/CompressedImage as image_transport defines it, of rosbags and of rclpy alike.

`format` reads "ENCODING; CODEC compressed TARGET" (compressed_image_transport): what the camera
published, and what of that was handed to the codec. Without a semicolon it names the codec alone,
and the file is an ordinary one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_limits import encoded_excess
from hma_depth_ros.data.jpeg import BEGIN, jpeg_is_whole
from hma_depth_ros.messages.image import BadImageError


class UnknownCodecError(BadImageError):
    """A format that OpenCV does not read: a video stream, or another transport."""


#: As stored: no alpha, no rotation by a camera's orientation tag, bits and grey as they are.
_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

_COLORS = {f"{kind}{bits}" for kind in ("rgb", "bgr", "rgba", "bgra") for bits in (8, 16)}
#: Codecs that OpenCV reads in every version.
_CODECS = ("jpeg", "jpg", "png", "tiff", "webp", "bmp")

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOR_TYPE, _PALETTE = 25, 3  # place in the file, and what it says there


@dataclass(frozen=True)
class CompressedFormat:
    """What `format` says."""

    encoding: str  #: that the camera published; empty where only the codec is named
    rest: str  #: codec and target

    @classmethod
    def of(cls, image: Any) -> CompressedFormat:
        """Read the format of a CompressedImage."""
        encoding, semicolon, rest = str(image.format).partition(";")
        return cls(encoding.strip(), rest) if semicolon else cls("", encoding)

    @property
    def target(self) -> str:
        """Encoding in which the codec got the picture; empty for that of the camera."""
        return self.rest.partition("compressed")[2].strip()


def decompressed(image: Any) -> tuple[npt.NDArray[Any], str]:
    """Pixels (H, W) or (H, W, 3) of a CompressedImage, and their encoding.

    Raises:
        UnknownCodecError: a format that OpenCV does not read.
        BadImageError: the data are not an image, not a whole one, or not of pixels.

    """
    data = np.frombuffer(image.data, np.uint8)
    if data[:2].tobytes() == BEGIN and not jpeg_is_whole(data.tobytes()):
        raise BadImageError(
            f"cannot decode {data.size} bytes of format '{image.format}': the JPEG is cut short"
        )
    excess = encoded_excess(data.tobytes())
    try:
        pixels = None if excess else cv2.imdecode(data, _AS_STORED)
    except cv2.error:  # OpenCV 4 raises for a header that promises too many pixels
        pixels = None
    if pixels is None:
        problem = f"cannot decode {data.size} bytes of format '{image.format}' as an image"
        if excess:
            problem += f": it {excess}"
        if any(codec in str(image.format).lower() for codec in _CODECS):
            raise BadImageError(problem)
        raise UnknownCodecError(
            f"{problem}; it must be one of {', '.join(_CODECS)}: `ros2 run image_transport "
            "republish` makes raw images of other transports"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadImageError(f"'{image.format}' holds {pixels.dtype} pixels, which are no picture")
    return pixels, _encoding(pixels, CompressedFormat.of(image))


def _encoding(pixels: npt.NDArray[Any], stated: CompressedFormat) -> str:
    bits = 8 * pixels.itemsize
    if pixels.ndim == 3:
        # The codec takes whatever it gets for BGR. Only where it got that is the file right.
        swapped = stated.encoding in _COLORS and "compressed bgr" not in stated.rest
        return f"{'rgb' if swapped else 'bgr'}{bits}"
    if stated.encoding.startswith("bayer_") and not stated.target.startswith("mono"):
        return f"{stated.encoding.rstrip('0123456789')}{bits}"
    return f"mono{bits}"


def has_palette(image: Any) -> bool:
    """Whether the file is a PNG with a palette, as pictures of labels are and photographs not."""
    head = bytes(np.frombuffer(image.data, np.uint8)[: _PNG_COLOR_TYPE + 1])
    return head.startswith(_PNG) and head[_PNG_COLOR_TYPE:] == bytes([_PALETTE])
