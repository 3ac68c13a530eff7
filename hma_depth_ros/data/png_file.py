"""PNG files decoded whole or not at all."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_limits import encoded_excess
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import kind_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode_png(path: Path, flags: int, *, what: str) -> npt.NDArray[Any]:
    """Array of a PNG by OpenCV's reading `flags`; `what` names it in errors.

    Raises:
        HmaDepthError: the file is missing, damaged or not a PNG.

    """
    import cv2  # here, since the formats' names are those of options too, and --help needs no more

    try:
        data = path.read_bytes()
    except OSError as error:
        raise HmaDepthError(f"cannot read the {what} {path}: {error.strerror}") from error
    stored = None
    # Before decoding: libpng writes what it finds wrong to stderr, past every error handling.
    if is_whole_png(data):
        if too_much := encoded_excess(data):
            raise HmaDepthError(f"the {what} {path} {too_much}")
        try:
            stored = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # OpenCV 4 raises for a header that promises too many pixels
            stored = None
    elif data and not data.startswith(_SIGNATURE) and (kind := kind_of(data[:512])):
        raise HmaDepthError(f"the {what} {path} is {kind}")
    if stored is None:
        raise HmaDepthError(f"the {what} {path} is truncated, damaged or not a PNG")
    return np.asarray(stored)


def is_whole_png(data: bytes) -> bool:
    """Whether all chunks up to the last one, IEND, are there with the right checksums.

    Source: PNG specification (ISO/IEC 15948), 5.3: length, type, content, CRC of the latter two.
    """
    if not data.startswith(_SIGNATURE):
        return False
    view, start = memoryview(data), len(_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        content = view[start + 4 : end]
        if int.from_bytes(view[end : end + 4], "big") != zlib.crc32(content):
            return False
        if bytes(content[:4]) == b"IEND":
            return True
        start = end + 4
    return False
