"""Depth image to points in the optical frame: the plain reference for every faster path."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera


def back_project(depth: npt.NDArray[np.float32], camera: PinholeCamera) -> npt.NDArray[np.float32]:
    """Points (H, W, 3) in metres, optical frame (REP 103), of a depth image (H, W) in metres.

    X = (u - cx) Z / fx and Y = (v - cy) Z / fy with integer pixel coordinates and no half-pixel
    term, as depth_image_proc has it. A pixel whose depth is not finite becomes (NaN, NaN, NaN).

    Raises:
        ValueError: the depth image is not of the camera's size.

    """
    if depth.shape != (camera.height, camera.width):
        raise ValueError(
            f"depth is {depth.shape[1]}x{depth.shape[0]}, the camera {camera.width}x{camera.height}"
        )
    z = np.where(np.isfinite(depth), depth, np.float32(np.nan)).astype(np.float32, copy=False)
    x_over_z = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    y_over_z = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)
    points = np.empty((*depth.shape, 3), np.float32)
    np.multiply(z, x_over_z, out=points[..., 0])
    np.multiply(z, y_over_z[:, None], out=points[..., 1])
    points[..., 2] = z
    return points


def project(points: npt.NDArray[np.floating], camera: PinholeCamera) -> npt.NDArray[np.float64]:
    """Pixel coordinates and depth (..., 3) = (u, v, Z) of points (..., 3) in the optical frame.

    Points behind the camera get NaN coordinates.
    """
    x, y, z = (np.asarray(points[..., axis], np.float64) for axis in range(3))
    in_front = np.where(z > 0, z, np.nan)
    return np.stack(
        [camera.fx * x / in_front + camera.cx, camera.fy * y / in_front + camera.cy, z], axis=-1
    )
