"""The pinhole camera of a rectified image, and what crop and resize do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Intrinsics:
    """The four numbers of a pinhole camera, in pixels, where its image's size is not at hand."""

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(np.isfinite(values)) or self.fx <= 0 or self.fy <= 0:
            raise ValueError(
                f"not a pinhole camera: fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy}; "
                "focal lengths must be positive and everything finite"
            )

    def of_image(self, *, width: int, height: int) -> PinholeCamera:
        """Camera of an image of that size."""
        return PinholeCamera(self.fx, self.fy, self.cx, self.cy, width, height)


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of a rectified image.

    Pixel (u, v) has its *centre* at integer coordinates, as in OpenCV, image_geometry and
    depth_image_proc: the image spans [-0.5, width - 0.5] x [-0.5, height - 0.5], and a point
    (X, Y, Z) of the optical frame (REP 103: x right, y down, z forward; metres) falls on
    ``u = fx X / Z + cx``, ``v = fy Y / Z + cy``.
    """

    fx: float  #: focal length in pixels
    fy: float
    cx: float  #: principal point in pixels
    cy: float
    width: int  #: pixels
    height: int

    def __post_init__(self) -> None:
        _ = self.intrinsics  # checks them
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"not an image size: {self.width}x{self.height}")

    @classmethod
    def from_projection(cls, p: Sequence[float], *, width: int, height: int) -> PinholeCamera:
        """Build from the row-major 3x4 projection matrix P of a CameraInfo or a KITTI calibration.

        The fourth column (the baseline of a stereo pair) does not enter: depth is measured in the
        camera's own frame.
        """
        matrix = np.asarray(p, dtype=np.float64).reshape(3, 4)
        return cls(
            fx=float(matrix[0, 0]),
            fy=float(matrix[1, 1]),
            cx=float(matrix[0, 2]),
            cy=float(matrix[1, 2]),
            width=width,
            height=height,
        )

    @classmethod
    def from_focal_length(cls, fx: float, *, width: int, height: int) -> PinholeCamera:
        """Square pixels and a principal point in the image's middle: all that fx alone can tell."""
        return cls(fx, fx, (width - 1) / 2, (height - 1) / 2, width, height)

    @property
    def intrinsics(self) -> Intrinsics:
        """Without the size of the image."""
        return Intrinsics(self.fx, self.fy, self.cx, self.cy)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """K, 3x3."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def crop(self, *, left: int, top: int, width: int, height: int) -> PinholeCamera:
        """Camera of the window that starts at (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def mirrored(self) -> PinholeCamera:
        """Camera of the image mirrored left to right."""
        return replace(self, cx=self.width - 1 - self.cx)

    def resize(self, *, width: int, height: int) -> PinholeCamera:
        """Camera of the image resampled to width x height.

        Resampling maps the image's *borders* onto each other, so pixel centres move by
        ``u' = (u + 0.5) s - 0.5`` (``align_corners=False`` in PyTorch, and OpenCV's resize).
        image_proc's ResizeNode leaves the two halves out; that is wrong by up to half a pixel of
        the smaller image, and a plane seen through a resize would not come back as that plane.
        """
        sx, sy = width / self.width, height / self.height
        return PinholeCamera(
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def every(self, step: int) -> PinholeCamera:
        """Camera of every `step`-th pixel in both directions, the first one included."""
        return PinholeCamera(
            fx=self.fx / step,
            fy=self.fy / step,
            cx=self.cx / step,
            cy=self.cy / step,
            width=-(-self.width // step),
            height=-(-self.height // step),
        )
