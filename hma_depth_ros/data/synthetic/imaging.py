"""From hits to a photograph: light on surfaces, and the camera's exposure, lens and noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic import paving
from hma_depth_ros.data.synthetic.casting import GROUND, KERB, NOTHING, Hits
from hma_depth_ros.data.synthetic.light import Daylight
from hma_depth_ros.data.synthetic.materials import Label, Pattern
from hma_depth_ros.data.synthetic.occlusion import ContactShade
from hma_depth_ros.data.synthetic.patterns import Paint, paint
from hma_depth_ros.data.synthetic.rays import CameraRays, Floats, Rays
from hma_depth_ros.data.synthetic.shadows import ShadowMap
from hma_depth_ros.data.synthetic.solids import SolidSet
from hma_depth_ros.data.synthetic.style import Style
from hma_depth_ros.data.synthetic.surface import Surface, footprint, place, solid_surface


@dataclass(frozen=True, eq=False)
class Shade:
    """What keeps light away."""

    shadows: ShadowMap
    contact: ContactShade


@dataclass(frozen=True)
class Exposure:
    """How the camera turns light into numbers."""

    gain: float
    gamma: float
    white_balance: tuple[float, float, float]
    black: float  #: light that is lost: deep shade is black
    vignette: float  #: loss of light in the corners
    noise: float  #: deviation at half scale, in grey levels

    @classmethod
    def random(cls, rng: np.random.Generator, light: Daylight) -> Exposure:
        warmth = rng.normal(0, 0.035)
        level = np.mean(light.ambient) + 0.55 * np.mean(light.sun) * np.sin(light.elevation)
        return cls(
            gain=float(1.05 / level * rng.uniform(0.75, 1.3)),
            gamma=float(rng.uniform(1.5, 2.0)),
            white_balance=(1 + warmth, 1.0, 1 - warmth + rng.normal(0, 0.02)),
            black=float(rng.uniform(0.0, 0.013)),
            vignette=float(rng.uniform(0.05, 0.35)),
            noise=float(rng.uniform(0.8, 3.0)),
        )


def radiance(
    rays: CameraRays, hits: Hits, solids: SolidSet, style: Style, shade: Shade
) -> Floats:
    """Linear light (H, W, 3) that comes in along each ray."""
    light = style.light
    out = np.empty((hits.t.size, 3), np.float32)
    face = hits.face.ravel()

    sky = np.flatnonzero(face == NOTHING)
    for here in _chunks(sky):
        direction = rays.flat_directions(here)
        out[here] = light.sky(direction / np.sqrt((direction * direction).sum(axis=0))).T

    on_solid = np.flatnonzero(face >= 0)
    pattern = solids.pattern[solids.solid_of_face[face[on_solid]]]
    for kind in Pattern:
        for here in _chunks(on_solid[pattern == kind]):
            surface = solid_surface(rays, hits, solids, here)
            out[here] = _lit(surface, paint(kind, surface), light, shade).T

    ground = np.flatnonzero((face == GROUND) | (face == KERB))
    for ground in _chunks(ground):
        surface, look = ground_paint(rays, hits, style, ground)
        out[ground] = _lit(surface, look, light, shade).T
    return out.reshape(*rays.shape, 3)


def _chunks(indices: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Pieces small enough for the working arrays to stay in the cache."""
    for start in range(0, indices.size, _CHUNK):
        yield indices[start : start + _CHUNK]


_CHUNK = 32_768


def ground_paint(rays: Rays, hits: Hits, style: Style, indices: npt.NDArray[np.int64]
            ) -> tuple[Surface, Paint]:
    street = style.street
    world, view, distance = place(rays, hits, indices)
    x, y = world[0], world[1]
    lateral = street.lateral(x, y)
    normal = np.zeros_like(world)
    normal[2] = 1
    kerb = hits.face.ravel()[indices] == KERB
    toward_road = -np.sign(lateral[kerb])
    slope = street.slope(x[kerb])
    length = np.sqrt(1 + slope * slope)
    normal[0, kerb], normal[1, kerb] = -slope / length * toward_road, toward_road / length
    normal[2, kerb] = 0
    extent = footprint(rays, distance, view, normal)
    # The kerb's face belongs to the kerbstone and not, by a rounding error, to the road.
    lateral = np.where(kerb, np.sign(lateral) * np.float32(street.half_width + 0.01), lateral)
    look = paving.paint_ground(style.paving, street, x, lateral, extent)
    return Surface(indices, world, view, normal, distance, extent), look


def _lit(surface: Surface, look: Paint, light: Daylight, shade: Shade) -> Floats:
    """Light (3, n) that surfaces send towards the camera."""
    to_sun = light.to_sun.astype(np.float32)
    sun, ambient = _column(light.sun), _column(light.ambient)
    normal = surface.normal if look.normal is None else look.normal
    facing = to_sun @ normal
    lit = shade.shadows.sunlit(surface.world, surface.normal)
    up = normal[2]
    sky_seen = (0.62 + 0.38 * up) * shade.contact.open_sky(surface.world, surface.normal)
    bounce = (0.10 * sun * np.float32(np.sin(light.elevation)) + 0.10 * ambient) * (0.5 - 0.5 * up)
    if look.leafy:
        through = 0.35 * np.clip(-facing, 0, 1)
        direct = np.clip(0.25 + 0.75 * facing, 0, 1) + through
        sky_seen = sky_seen * 0.75
    else:
        direct = np.clip(facing, 0, 1)
    color = look.albedo * (sun * (direct * lit) + ambient * sky_seen + bounce)

    shiny = np.flatnonzero(look.gloss > 0.015)
    if shiny.size:
        view, normal = surface.view[:, shiny], surface.normal[:, shiny]
        cosine = -(view * normal).sum(axis=0)
        mirror = view + 2 * cosine * normal
        fresnel = look.gloss[shiny] + (1 - look.gloss[shiny]) * 0.5 * np.clip(1 - cosine, 0, 1) ** 4
        glint = np.clip(to_sun @ mirror, 0, 1) ** 400 * lit[shiny]
        seen = light.surroundings(mirror) + 25 * sun * glint
        color[:, shiny] = color[:, shiny] * (1 - fresnel) + seen * fresnel
    return light.haze(color, surface.distance)


def _column(color: tuple[float, float, float]) -> Floats:
    return np.array(color, np.float32)[:, None]


def photograph(
    light: Floats, rays: CameraRays, exposure: Exposure, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """RGB image (H, W, 3) of incoming light on the finer grid of `rays`."""
    rows, columns = rays.pixel_centres
    s = rays.sampling
    if s > 1:
        # A highlight must not bleed over its neighbours: clip before the lens' blur.
        light = np.minimum(light, 2.5 / exposure.gain)
        tent = np.concatenate([np.arange(1, s + 1), np.arange(s - 1, 0, -1)]).astype(np.float32)
        tent /= tent.sum()
        light = cv2.sepFilter2D(light, -1, tent, tent, borderType=cv2.BORDER_REFLECT_101)
    image = light[rows, columns] * (np.array(exposure.white_balance, np.float32) * exposure.gain)
    height, width = image.shape[:2]
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / (width / 2)
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / (width / 2)
    image *= (1 - np.float32(exposure.vignette) * (x * x + (y * y)[:, None]) / 1.1)[..., None]
    image = _tone(np.maximum(image - np.float32(exposure.black), 0)) ** np.float32(1 / exposure.gamma) * 255
    grain = rng.standard_normal(image.shape, np.float32) * np.float32(exposure.noise)
    image += grain * (0.4 + 0.6 * np.sqrt(image / 255))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _tone(linear: Floats) -> Floats:
    """Linear up to two thirds, then a shoulder that reaches 1: highlights keep some shape."""
    knee = np.float32(0.6)
    over = np.maximum(linear - knee, 0)
    return np.minimum(linear, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))


def semantic_labels(
    rays: CameraRays, hits: Hits, solids: SolidSet, style: Style
) -> npt.NDArray[np.uint8]:
    """Class of every pixel (H, W)."""
    rows, columns = rays.pixel_centres
    face = hits.face[rows, columns].ravel()
    out = np.full(face.size, Label.SKY, np.uint8)
    on_solid = face >= 0
    out[on_solid] = solids.label[solids.solid_of_face[face[on_solid]]]
    ground = np.flatnonzero((face == GROUND) | (face == KERB))
    grid = np.arange(hits.t.size).reshape(hits.t.shape)[rows, columns].ravel()[ground]
    world, _, _ = place(rays, hits, grid)
    out[ground] = paving.labels(style.street, style.street.lateral(world[0], world[1]))
    out[face == KERB] = Label.SIDEWALK
    return out.reshape(rays.camera.height, rays.camera.width)
