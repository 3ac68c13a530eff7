"""The rectangles of an image in which depth is scored."""

from __future__ import annotations

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.window import Window, kitti_crop, whole_image

__all__ = [
    "Window",
    "eigen_window",
    "garg_window",
    "garg_window_of_crop",
    "kitti_crop",
    "nyu_window",
    "whole_image",
]


def garg_window(height: int, width: int) -> Window:
    """Window of Garg et al. (2016), without sky, bonnet and borders: 153:371, 44:1197 of 375x1242.

    As fractions, which follow KITTI's five image sizes.
    """
    return _fractions(height, width, (0.40810811, 0.99189189, 0.03594771, 0.96405229))


def eigen_window(height: int, width: int) -> Window:
    """Window of Eigen et al. (2014): 124:342, 44:1197 of 375x1242."""
    return _fractions(height, width, (0.3324324, 0.91351351, 0.0359477, 0.96405229))


def nyu_window(height: int, width: int) -> Window:
    """Window of Eigen et al. (2014) for NYU Depth v2, where depth was projected into the image.

    Raises:
        HmaDepthError: the image is not 480x640, for which alone it is defined.

    """
    if (height, width) != (480, 640):
        raise HmaDepthError(f"the image is {width}x{height}, not NYU Depth v2's 640x480")
    return Window(45, 471, 41, 601)


def garg_window_of_crop(height: int, width: int) -> Window:
    """Garg's fractions of the 352x1216 crop, in pixels of the whole image."""
    crop = kitti_crop(height, width)
    return garg_window(*crop.shape).moved(down=crop.top, right=crop.left)


def _fractions(height: int, width: int, parts: tuple[float, float, float, float]) -> Window:
    top, bottom, left, right = parts
    return Window(int(top * height), int(bottom * height), int(left * width), int(right * width))
