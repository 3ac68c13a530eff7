"""Depth images as KITTI stores them: 16-bit PNG, metres times 256, 0 where there is no depth.

NYU Depth v2 as BTS extracts it is the same in millimetres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.png_file import decode_png
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path

#: Stored units in a metre (KITTI depth development kit).
UNITS_PER_METRE = 256.0


def read_depth_png(
    path: Path, *, units_per_metre: float = UNITS_PER_METRE
) -> npt.NDArray[np.float32]:
    """Depth (H, W) in metres; 0 where there is none.

    Raises:
        HmaDepthError: the file is missing, corrupt or not a 16-bit grey PNG.

    """
    import cv2  # here: see png_file.py

    stored = decode_png(path, cv2.IMREAD_UNCHANGED, what="depth image")
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise HmaDepthError(f"{path} is not a 16-bit grey PNG, as KITTI stores depth")
    return np.asarray(stored, np.float32) / np.float32(units_per_metre)


def write_depth_png(
    path: Path, depth: npt.NDArray[np.floating], *, units_per_metre: float = UNITS_PER_METRE
) -> None:
    """Write depth (H, W) in metres, rounded to a unit.

    What the format cannot hold becomes 0, no depth: NaN and infinity, values <= 0, and depths
    beyond 65535 units (255.99 m), which clipping would turn into a measurement at that distance.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    import cv2

    with np.errstate(invalid="ignore"):
        units = np.rint(np.asarray(depth, np.float64) * units_per_metre)
        storable = (units > 0) & (units <= np.iinfo(np.uint16).max)
    stored = np.where(storable, units, 0).astype(np.uint16)
    with atomic_path(path) as temporary:
        _, encoded = cv2.imencode(".png", stored)
        temporary.write_bytes(encoded.tobytes())
