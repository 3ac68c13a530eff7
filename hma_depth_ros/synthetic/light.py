"""Daylight: sun, sky, clouds and haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.noise import noise
from hma_depth_ros.synthetic.rays import Floats, spherical

Doubles = npt.NDArray[np.float64]
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Daylight:
    """Light of one drive; colours are linear, 1 is what the camera renders as white."""

    azimuth: float  #: of the sun, rad from x towards y
    elevation: float  #: rad
    sun: Rgb  #: irradiance at normal incidence
    zenith: Rgb  #: colour of the sky
    horizon: Rgb
    ambient: Rgb  #: light of the whole sky on a horizontal surface
    cloudiness: float  #: 0: none, 1: overcast
    cloud_offset: float
    visibility: float  #: metres after which haze takes over

    @property
    def to_sun(self) -> Doubles:
        """Unit vector (3)."""
        return spherical(np.array(self.elevation), np.array(self.azimuth))

    @classmethod
    def random(cls, rng: np.random.Generator) -> Daylight:
        """Mostly sunny, as KITTI was recorded, from hazy morning to deep blue noon."""
        elevation = np.deg2rad(rng.uniform(18, 58))
        azimuth = rng.uniform(0, 2 * np.pi)
        sunny = rng.random() < 0.72
        cloudiness = rng.uniform(0, 0.55) if sunny else rng.uniform(0.75, 1.0)
        strength = rng.uniform(2.2, 4.0) if sunny else rng.uniform(0.0, 0.35)
        warmth = (1 - elevation) * rng.uniform(0.6, 1.2)
        sun = strength * np.array([1 + 0.10 * warmth, 1.0, 1 - 0.20 * warmth])
        glare = rng.uniform(0.9, 2.2)  # KITTI's skies are mostly overexposed
        blue = np.array([0.16, 0.46, 0.85]) * glare
        grey = np.array([0.80, 0.84, 0.88]) * glare
        overcast = cloudiness**2
        zenith = blue * (1 - overcast) + grey * overcast
        pale = np.array([0.74, 0.86, 0.96]) * glare
        horizon = pale * (1 - overcast) + grey * 1.1 * overcast
        ambient = np.array([0.15, 0.18, 0.225]) if sunny else np.array([0.78, 0.82, 0.88])
        ambient = ambient * rng.uniform(0.85, 1.4)
        return cls(
            azimuth=azimuth,
            elevation=float(elevation),
            sun=_rgb(sun),
            zenith=_rgb(zenith),
            horizon=_rgb(horizon),
            ambient=_rgb(ambient),
            cloudiness=float(cloudiness),
            cloud_offset=rng.uniform(0, 1000),
            visibility=rng.uniform(500, 3000),
        )

    def sky(self, direction: Floats) -> Floats:
        """Colour (3, n) of the sky in directions (3, n), unit vectors."""
        height = np.clip(direction[2], 0, 1)
        color = self._clear(direction, height)
        return self._clouded(color, direction, height) if self.cloudiness > 0.05 else color

    def surroundings(self, direction: Floats) -> Floats:
        """Colour (3, n) that a mirror sees: sky above houses and trees above the ground."""
        height = np.clip(direction[2], 0, 1)
        open_sky = np.clip((direction[2] - 0.22) * 5, 0, 1)
        things = (column(self.ambient) + column(self.sun) * 0.25) * np.float32(0.22)
        return self._clear(direction, height) * open_sky + things * (1 - open_sky)

    def _clear(self, direction: Floats, height: Floats) -> Floats:
        blend = np.exp(-height * 4.5)
        color = column(self.zenith) * (1 - blend) + column(self.horizon) * blend
        cosine = np.clip(self.to_sun.astype(np.float32) @ direction, 0, 1)
        eighth = np.square(np.square(np.square(cosine)))
        glow = 0.9 * np.square(np.square(np.square(eighth))) + 0.25 * eighth
        return color + column(self.sun) * glow * np.float32(0.5 * (1 - 0.8 * self.cloudiness))

    def _clouded(self, color: Floats, direction: Floats, height: Floats) -> Floats:
        # Clouds on a plane overhead, flattened towards the horizon as real ones look.
        above = 1 / np.maximum(height + 0.12, 0.05)
        u, v = direction[0] * above + np.float32(self.cloud_offset), direction[1] * above
        shape = noise(u, v, 2.9) + 0.6 * noise(u + 11, v, 1.1) + 0.35 * noise(u + 5, v, 0.42)
        shape += np.float32(0.18) * noise(u + 5, v, 0.17)
        cover = np.clip((shape + 3.2 * self.cloudiness - 1.6) * 0.8, 0, 1)
        white = column(self.horizon) * 0.4 + 0.75 - np.float32(0.12) * shape * cover
        return color * (1 - cover * 0.85) + white * (cover * 0.85)

    def haze(self, color: Floats, distance: Floats) -> Floats:
        """Colour (3, n) seen through `distance` (n) metres of air."""
        clear = np.exp(-distance / np.float32(self.visibility))
        return color * clear + column(self.horizon) * np.float32(0.8) * (1 - clear)


def _rgb(values: Doubles) -> Rgb:
    r, g, b = values.tolist()
    return (r, g, b)


def column(color: Rgb) -> Floats:
    """Colour as an array (3, 1)."""
    return np.array(color, np.float32)[:, None]
