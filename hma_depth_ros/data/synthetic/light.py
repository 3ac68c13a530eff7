"""Daylight: sun, sky, clouds and haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic.noise import noise
from hma_depth_ros.data.synthetic.rays import Floats, spherical

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
        strength = rng.uniform(1.5, 2.3) if sunny else rng.uniform(0.0, 0.35)
        warmth = (1 - elevation) * rng.uniform(0.6, 1.2)
        sun = strength * np.array([1 + 0.10 * warmth, 1.0, 1 - 0.20 * warmth])
        blue = np.array([0.16, 0.42, 0.85]) * rng.uniform(0.7, 1.3)
        grey = np.array([0.80, 0.84, 0.90]) * rng.uniform(0.9, 1.3)
        overcast = cloudiness**2
        zenith = blue * (1 - overcast) + grey * overcast
        pale = np.array([0.72, 0.85, 0.98]) * rng.uniform(0.8, 1.4)
        horizon = pale * (1 - overcast) + grey * 1.1 * overcast
        ambient = (np.array([0.20, 0.25, 0.33]) if sunny else np.array([0.78, 0.82, 0.88]))
        ambient = ambient * rng.uniform(0.7, 1.25)
        return cls(
            azimuth=azimuth,
            elevation=float(elevation),
            sun=_rgb(sun),
            zenith=_rgb(zenith),
            horizon=_rgb(horizon),
            ambient=_rgb(ambient),
            cloudiness=float(cloudiness),
            cloud_offset=rng.uniform(0, 1000),
            visibility=rng.uniform(250, 900),
        )

    def sky(self, direction: Floats, *, clouds: bool = True) -> Floats:
        """Colour (3, n) of the sky in directions (3, n), unit vectors.

        Directions below the horizon give what mirrors see there: dim ground.
        """
        height = np.clip(direction[2], 0, 1)
        blend = np.exp(-height * 4.5)
        color = _column(self.zenith) * (1 - blend) + _column(self.horizon) * blend
        cosine = np.clip(self.to_sun.astype(np.float32) @ direction, 0, 1)
        glow = 0.9 * cosine**64 + 0.25 * cosine**8
        color = color + _column(self.sun) * glow * np.float32(0.5 * (1 - 0.8 * self.cloudiness))
        if clouds and self.cloudiness > 0.05:
            color = self._clouded(color, direction, height)
        below = np.clip(-direction[2] * 8, 0, 1)
        ground = _column(self.ambient) * np.float32(0.25) + _column(self.sun) * np.float32(0.04)
        return np.asarray(color * (1 - below) + ground * below, np.float32)

    def _clouded(self, color: Floats, direction: Floats, height: Floats) -> Floats:
        # Clouds on a plane overhead, flattened towards the horizon as real ones look.
        above = 1 / np.maximum(height + 0.12, 0.05)
        u, v = direction[0] * above + np.float32(self.cloud_offset), direction[1] * above
        shape = noise(u, v, 2.9) + 0.6 * noise(u + 11, v, 1.1) + 0.35 * noise(u + 5, v, 0.42)
        shape += np.float32(0.18) * noise(u + 5, v, 0.17)
        cover = np.clip((shape + 3.2 * self.cloudiness - 1.6) * 0.8, 0, 1)
        white = _column(self.horizon) * 0.4 + 0.75 - np.float32(0.12) * shape * cover
        return color * (1 - cover * 0.85) + white * (cover * 0.85)

    def haze(self, color: Floats, distance: Floats) -> Floats:
        """Colour (3, n) seen through `distance` (n) metres of air."""
        clear = np.exp(-distance / np.float32(self.visibility))
        return color * clear + _column(self.horizon) * np.float32(0.8) * (1 - clear)


def _rgb(values: Doubles) -> Rgb:
    r, g, b = values.tolist()
    return (r, g, b)


def _column(color: Rgb) -> Floats:
    return np.array(color, np.float32)[:, None]
