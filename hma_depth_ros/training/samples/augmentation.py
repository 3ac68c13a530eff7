"""Random views of a training frame, which keep image, depth, labels and focal length together.

A frame becomes a crop in one resampling: scale, rotation, window and mirroring are one map of the
plane (`View`), and so is the turn of a camera that looks further down or up. The image is
interpolated; depth and labels take the nearest pixel, since a mean of two depths is the depth of
neither. Pixel centres are integers throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera

Image = npt.NDArray[np.uint8]
Map = TypeVar("Map", npt.NDArray[np.uint8], npt.NDArray[np.float32])


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; the defaults are BTS's for KITTI.

    For NYU Depth v2 BTS has `rotation=2.5, brightness=(0.75, 1.25)`.
    """

    rotation: float = 1.0  #: degrees; the frame is turned by U(-rotation, rotation)
    zoom: float = 1.0  #: the frame is enlarged by U(1, zoom) before the crop
    #: Degrees; as if the camera had been mounted U(-pitch, pitch) further down; needs the camera.
    pitch: float = 0.0
    flip: float = 0.5  #: probability of mirroring
    colour: float = 0.5  #: probability of changing gamma, brightness and gains
    gamma: tuple[float, float] = (0.9, 1.1)  #: range of the exponent on values in [0, 1]
    brightness: tuple[float, float] = (0.9, 1.1)  #: range of the factor on all channels
    gain: tuple[float, float] = (0.9, 1.1)  #: range of the factor on each channel
    blur: float = 0.0  #: probability of a Gaussian blur
    sigma: tuple[float, float] = (0.3, 1.2)  #: range of its width, pixels of the crop
    boxes: float = 0.0  #: probability that upright boxes are pasted, see `pasted_boxes`
    #: Probability that all depth and the camera's height are multiplied by one factor: a larger
    #: world from higher above looks the same. For networks that are told the ground alone.
    height: float = 0.0
    height_factor: tuple[float, float] = (0.6, 1.6)  #: range of it, uniform in its logarithm
    #: Probability that some columns are of a frame of another scene, see `spliced_frames`.
    splice: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            HmaDepthError: one of them makes no sense, naming it.

        """
        wrong = {
            "rotation": not 0 <= self.rotation <= 45,
            "zoom": not 1 <= self.zoom < np.inf,
            "pitch": not 0 <= self.pitch <= 20,
            **{
                name: not 0 <= getattr(self, name) <= 1
                for name in ("flip", "colour", "blur", "boxes", "height", "splice")
            },
            **{
                name: not _is_range(getattr(self, name))
                for name in ("gamma", "brightness", "gain", "sigma", "height_factor")
            },
        }
        for field in fields(self):
            if wrong[field.name]:
                value = getattr(self, field.name)
                raise HmaDepthError(f"augmentation: {field.name} cannot be {value}")


def _is_range(ends: tuple[float, float]) -> bool:
    return len(ends) == 2 and 0 < ends[0] <= ends[1] < np.inf


@dataclass(frozen=True)
class View:
    """A crop of a frame that was turned about its centre, scaled and perhaps mirrored."""

    frame: tuple[int, int]  #: (H, W) that it is taken of
    scaled: tuple[int, int]  #: (H, W) that the frame is scaled to
    top: int  #: of the crop, in the scaled frame
    left: int
    size: tuple[int, int]  #: (h, w) of the crop
    angle: float = 0.0  #: degrees
    mirrored: bool = False
    pitch: float = 0.0  #: degrees that the crop's camera looks further down than the frame's
    camera: PinholeCamera | None = None  #: of the frame; needed for pitch and `crop_camera`

    @classmethod
    def random(
        cls,
        frame: tuple[int, int],
        size: tuple[int, int],
        augmentation: Augmentation,
        random: np.random.Generator,
        *,
        width: int | None = None,
        camera: PinholeCamera | None = None,
    ) -> View:
        """Draw a crop of `size` of a frame, both (height, width).

        The frame is scaled to `width` (None: not at all), or if the crop needs it to more, and then
        by the random zoom. Without its camera no pitch is drawn.
        """
        needed = max(size[0] / frame[0], size[1] / frame[1])
        scale = max(1.0 if width is None else width / frame[1], needed)
        columns = int(np.ceil(frame[1] * scale * random.uniform(1, augmentation.zoom) - 1e-6))
        rows = round(frame[0] * columns / frame[1])
        return cls(
            frame,
            (rows, columns),
            top=int(random.integers(0, rows - size[0] + 1)),
            left=int(random.integers(0, columns - size[1] + 1)),
            size=size,
            angle=random.uniform(-augmentation.rotation, augmentation.rotation),
            mirrored=bool(random.random() < augmentation.flip),
            pitch=(
                random.uniform(-augmentation.pitch, augmentation.pitch)
                if augmentation.pitch and camera is not None
                else 0.0
            ),
            camera=camera,
        )

    @property
    def scale(self) -> float:
        """Of widths, and so of the focal length."""
        return self.scaled[1] / self.frame[1]

    @property
    def crop_camera(self) -> PinholeCamera:
        """Camera of the crop, which does not know that it was turned about its axis."""
        assert self.camera is not None
        rows, columns = self.size
        crop = self.camera.resize(width=self.scaled[1], height=self.scaled[0]).crop(
            left=self.left, top=self.top, width=columns, height=rows
        )
        return crop.mirrored() if self.mirrored else crop

    def image(self, frame: Image) -> Image:
        """The crop (h, w, 3) of an image (H, W, 3); beyond its borders it is reflected."""
        to_frame = self._crop_to_frame()
        if self.scale < 1:  # by areas, for interpolation between neighbours would alias
            rows, columns = self.scaled
            frame = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)
            to_frame = np.linalg.inv(self._scaled_to_frame()) @ to_frame
        return self._warp(frame, to_frame, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101, 0)

    def nearest(self, frame: Map, *, outside: float) -> Map:
        """The crop (h, w) of a map (H, W) without interpolation; `outside` beyond its borders."""
        to_frame = self._crop_to_frame()
        return self._warp(frame, to_frame, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, outside)

    def depth(self, frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The crop (h, w) of depth (H, W) along the axis of the frame's camera, 0 unknown.

        Along the axis of the crop's, which may look further down.
        """
        found = self.nearest(frame, outside=0)
        if not self.pitch:
            return found
        # Of a ray (x, y, 1) of the crop's camera: how far along the frame's axis it goes.
        ahead = (self._tilt() @ self._crop_to_turned())[2]
        rows, columns = self.size
        along = ahead[0] * np.arange(columns) + (ahead[1] * np.arange(rows) + ahead[2])[:, None]
        return (found / along).astype(np.float32)

    def _warp(
        self,
        frame: Map,
        to_frame: npt.NDArray[np.float64],
        interpolation: int,
        border: int,
        outside: float,
    ) -> Map:
        rows, columns = self.size
        flags = interpolation | cv2.WARP_INVERSE_MAP
        if self.pitch:
            return cv2.warpPerspective(
                frame,
                to_frame,
                (columns, rows),
                flags=flags,
                borderMode=border,
                borderValue=outside,
            )
        return cv2.warpAffine(
            frame,
            to_frame[:2],
            (columns, rows),
            flags=flags,
            borderMode=border,
            borderValue=outside,
        )

    def _crop_to_frame(self) -> npt.NDArray[np.float64]:
        """3x3: pixels (x, y, 1) of the crop to those of the frame, up to a factor."""
        if not self.pitch:
            return self._crop_to_turned()
        assert self.camera is not None
        return self.camera.matrix @ self._tilt() @ self._crop_to_turned()

    def _tilt(self) -> npt.NDArray[np.float64]:
        """3x3: pixels of the camera that looks further down to rays (x, y, z) of the frame's."""
        assert self.camera is not None
        down, _ = cv2.Rodrigues(np.array([-np.radians(self.pitch), 0.0, 0.0]))
        return np.asarray(down @ np.linalg.inv(self.camera.matrix))

    def _crop_to_turned(self) -> npt.NDArray[np.float64]:
        """3x3: pixels (x, y, 1) of the crop to those of the frame, but for its pitch."""
        side, start = (-1, self.left + self.size[1] - 1) if self.mirrored else (1, self.left)
        to_scaled = np.array([[side, 0, start], [0, 1, self.top], [0, 0, 1]], np.float64)
        y, x = (self.frame[0] - 1) / 2, (self.frame[1] - 1) / 2
        turned = np.vstack([cv2.getRotationMatrix2D((x, y), -self.angle, 1.0), [0, 0, 1]])
        return turned @ self._scaled_to_frame() @ to_scaled

    def _scaled_to_frame(self) -> npt.NDArray[np.float64]:
        """3x3; the corner of the first pixel, (-0.5, -0.5), stays where it is."""
        y, x = self.frame[0] / self.scaled[0], self.frame[1] / self.scaled[1]
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def change_colours(image: Image, augmentation: Augmentation, random: np.random.Generator) -> Image:
    """Perhaps change gamma, brightness and a gain per channel, all through one table."""
    changed = random.random() < augmentation.colour
    gamma = random.uniform(*augmentation.gamma)
    brightness = random.uniform(*augmentation.brightness)
    gains = random.uniform(*augmentation.gain, 3)
    if not changed:
        return image
    levels = (np.arange(256) / 255) ** gamma * brightness * 255
    table = np.clip(np.outer(levels, gains).round(), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def blur(image: Image, augmentation: Augmentation, random: np.random.Generator) -> Image:
    """Perhaps blur, as a lens out of focus or a camera of fewer pixels does."""
    if not augmentation.blur or random.random() >= augmentation.blur:
        return image
    sigma = random.uniform(*augmentation.sigma)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


#: Every frame as it is: no change is random but the place of the crop.
NO_AUGMENTATION = Augmentation(rotation=0.0, flip=0.0, colour=0.0)
