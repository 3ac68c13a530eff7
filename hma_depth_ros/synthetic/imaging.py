"""The camera's part of a picture: exposure, lens, tone curve and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.light import Daylight
from hma_depth_ros.synthetic.rays import CameraRays, Floats


@dataclass(frozen=True)
class Exposure:
    """How the camera turns light into numbers.

    Ranges are chosen so that brightness, contrast and colour spread as in KITTI's own images:
    deep shade is nearly black, and the sky is mostly overexposed.
    """

    gain: float
    gamma: float
    white_balance: tuple[float, float, float]
    black: float  #: light that is lost
    vignette: float  #: loss of light in the corners
    noise: float  #: deviation at full scale, in grey levels

    @classmethod
    def random(cls, rng: np.random.Generator, light: Daylight) -> Exposure:
        """Exposure for the light of a drive, not always a good one."""
        level = np.mean(light.ambient) + 0.55 * np.mean(light.sun) * np.sin(light.elevation)
        warmth = rng.normal(0, 0.035)
        return cls(
            gain=float(0.95 / level * rng.uniform(0.75, 1.3)),
            gamma=float(rng.uniform(1.5, 2.0)),
            white_balance=(1 + warmth, 1.0, 1 - warmth + rng.normal(0, 0.02)),
            black=float(rng.uniform(0.0, 0.013)),
            vignette=float(rng.uniform(0.05, 0.35)),
            noise=float(rng.uniform(0.8, 3.0)),
        )


def photograph(
    light: Floats, rays: CameraRays, exposure: Exposure, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """RGB image (h, w, 3) of light (H, W, 3) on the finer grid of `rays`."""
    rows, columns = rays.pixel_centres
    if rays.sampling > 1:
        # A highlight must not bleed over its neighbours: clip before the lens' blur.
        light = np.minimum(light, 2.5 / exposure.gain)
        ramp = np.arange(1, rays.sampling + 1, dtype=np.float32)
        tent = np.concatenate([ramp, ramp[-2::-1]]) / ramp[-1] ** 2
        light = cv2.sepFilter2D(light, -1, tent, tent, borderType=cv2.BORDER_REFLECT_101)
    image = light[rows, columns] * (np.array(exposure.white_balance, np.float32) * exposure.gain)
    image *= _vignette(rays.camera.width, rays.camera.height, exposure.vignette)[..., None]
    image = _tone(np.maximum(image - np.float32(exposure.black), 0))
    image = 255 * image ** np.float32(1 / exposure.gamma)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(exposure.noise)
    image += noise * (0.4 + 0.6 * np.sqrt(image / 255))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _vignette(width: int, height: int, loss: float) -> Floats:
    """Share (height, width) of the light that the lens lets through."""
    half = width / 2
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / half
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / half
    return 1 - np.float32(loss / 1.1) * (x * x + (y * y)[:, None])


def _tone(linear: Floats) -> Floats:
    """Linear up to a knee, then a shoulder that reaches 1, so that highlights keep some shape."""
    knee = np.float32(0.6)
    over = np.maximum(linear - knee, 0)
    return np.minimum(linear, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
