"""PNG files decoded whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError


def decode_png(path: Path, flags: int, *, what: str) -> npt.NDArray[Any]:
    """Array of an image file by OpenCV's reading `flags`; `what` names it in errors.

    Decoded from memory, since OpenCV's own reading accepts truncated files of some formats.

    Raises:
        HmaDepthError: the file is missing, damaged or not an image.

    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise HmaDepthError(f"cannot read the {what} {path}: {error.strerror}") from error
    stored = cv2.imdecode(data, flags) if data.size else None
    if stored is None:
        raise HmaDepthError(f"the {what} {path} is truncated, damaged or not an image")
    return np.asarray(stored)
