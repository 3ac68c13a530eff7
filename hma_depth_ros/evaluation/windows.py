"""The rectangles of an image in which depth is scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.plan import kitti_benchmark_crop


@dataclass(frozen=True)
class Window:
    """Rows top:bottom and columns left:right of an image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.bottom - self.top, self.right - self.left

    def of(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of that part of an array (H, W, ...)."""
        return image[self.top : self.bottom, self.left : self.right]

    def moved(self, *, down: int, right: int) -> Window:
        """The same window, shifted."""
        return Window(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def __str__(self) -> str:
        return f"rows {self.top}:{self.bottom}, columns {self.left}:{self.right}"


def whole_image(height: int, width: int) -> Window:
    """Everything."""
    return Window(0, height, 0, width)


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


def kitti_crop(height: int, width: int) -> Window:
    """The 352x1216 that BTS's networks see, the whole of a smaller image."""
    crop = kitti_benchmark_crop(width=width, height=height)
    return whole_image(crop.height, crop.width).moved(down=crop.top, right=crop.left)


def garg_window_of_crop(height: int, width: int) -> Window:
    """Garg's fractions of the 352x1216 crop, in pixels of the whole image."""
    crop = kitti_crop(height, width)
    return garg_window(*crop.shape).moved(down=crop.top, right=crop.left)


def _fractions(height: int, width: int, parts: tuple[float, float, float, float]) -> Window:
    top, bottom, left, right = parts
    return Window(int(top * height), int(bottom * height), int(left * width), int(right * width))
