"""Point clouds as PLY files, which MeshLab, CloudCompare, Open3D and Blender open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.files import atomic_path

_VERTEX = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])

_HEADER = """\
ply
format binary_little_endian 1.0
comment metres in the camera's optical frame: x right, y down, z forward (REP 103)
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_ply(path: Path, points: npt.NDArray[np.floating], colors: npt.NDArray[np.uint8]) -> int:
    """Write a coloured cloud as binary little-endian PLY and return how many points it has.

    Args:
        path: The file.
        points: (..., 3) in metres, optical frame; points with NaN or infinity are left out.
        colors: RGB, of the points' shape.

    Raises:
        ValueError: the two shapes differ.
        HmaDepthError: the file cannot be written.

    """
    if points.shape != colors.shape or points.shape[-1] != 3:
        raise ValueError(f"points {points.shape} and colours {colors.shape} are not both (..., 3)")
    valid = np.isfinite(points).all(axis=-1)
    vertices = np.empty(int(valid.sum()), _VERTEX)
    vertices["xyz"], vertices["rgb"] = points[valid], colors[valid]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_HEADER.format(count=len(vertices)).encode("ascii"))
        file.write(vertices.tobytes())  # `tofile` does not say when the disk is full at the end
    return len(vertices)
