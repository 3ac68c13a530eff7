"""Rectangles of an image, in whole pixels, and the one that KITTI's benchmark cuts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera

#: Height and width of KITTI's depth prediction benchmark, and of BTS's `kb crop`.
KITTI_CROP = 352, 1216


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

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Camera of that part of an image."""
        rows, columns = self.shape
        return camera.crop(left=self.left, top=self.top, width=columns, height=rows)

    def moved(self, *, down: int, right: int) -> Window:
        """The same window, shifted."""
        return Window(self.top + down, self.bottom + down, self.left + right, self.right + right)

    def __str__(self) -> str:
        return f"rows {self.top}:{self.bottom}, columns {self.left}:{self.right}"


def whole_image(height: int, width: int) -> Window:
    """Everything."""
    return Window(0, height, 0, width)


def kitti_crop(height: int, width: int) -> Window:
    """The 352x1216 that BTS's networks see, at the bottom; the whole of a smaller image."""
    rows, columns = KITTI_CROP
    if height < rows or width < columns:
        return whole_image(height, width)
    return whole_image(rows, columns).moved(down=height - rows, right=(width - columns) // 2)
