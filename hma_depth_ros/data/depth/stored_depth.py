"""Predicted depth in files: 16-bit PNG as KITTI or NYU store depth, or NumPy's npy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE, read_depth_png, write_depth_png
from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.file_kind import NUMPY_ARRAY, known_kind
from hma_depth_ros.files import atomic_path

SUFFIXES = (".png", ".npy")


def read_stored_depth(
    path: Path, *, units_per_metre: float = UNITS_PER_METRE
) -> npt.NDArray[np.float32]:
    """Depth (H, W) in metres; a PNG's 0 is no depth. An npy may hold (1, H, W) or (H, W, 1) too.

    Raises:
        HmaDepthError: the file is missing, damaged, of another kind or not one depth image.

    """
    if path.suffix.lower() != ".npy":
        return read_depth_png(path, units_per_metre=units_per_metre)
    try:
        # Mapped, since otherwise room is made for whatever the header says.
        with np.errstate(over="ignore"):
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # odd headers are answered with nearly every kind
        kind = known_kind(path)
        if kind == NUMPY_ARRAY:  # but not a whole one, or one of objects
            kind = None
        reason = f"it is {kind}" if kind else one_line(error)
        raise HmaDepthError(f"cannot read the depth {path}: {reason}") from error
    if not isinstance(stored, np.ndarray) or not np.issubdtype(stored.dtype, np.floating):
        raise HmaDepthError(f"{path} does not hold an array of floating-point metres")
    depth = np.squeeze(stored)
    if depth.ndim != 2:
        raise HmaDepthError(f"{path} holds an array of shape {stored.shape}, not (H, W)")
    return np.array(depth, np.float32)


def write_stored_depth(
    path: Path, depth: npt.NDArray[np.float32], *, units_per_metre: float = UNITS_PER_METRE
) -> None:
    """Write depth (H, W) in metres in the format of the suffix; npy keeps every bit.

    Raises:
        HmaDepthError: the file cannot be written.

    """
    if path.suffix == ".png":
        write_depth_png(path, depth, units_per_metre=units_per_metre)
        return
    content = io.BytesIO()
    np.save(content, depth)
    with atomic_path(path) as temporary:  # np.save itself does not say when the disk is full
        temporary.write_bytes(content.getbuffer())
