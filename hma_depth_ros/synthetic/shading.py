"""Light that comes in along rays: colours of what they hit, under sun and sky."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic import paving
from hma_depth_ros.synthetic.casting import GROUND, KERB, NOTHING, Hits
from hma_depth_ros.synthetic.light import Daylight, column
from hma_depth_ros.synthetic.materials import Pattern
from hma_depth_ros.synthetic.occlusion import ContactShade
from hma_depth_ros.synthetic.paint import Paint
from hma_depth_ros.synthetic.patterns import paint
from hma_depth_ros.synthetic.rays import Floats, Rays
from hma_depth_ros.synthetic.shadows import ShadowMap
from hma_depth_ros.synthetic.solids import SolidSet
from hma_depth_ros.synthetic.style import Style
from hma_depth_ros.synthetic.surface import Surface, footprint, place, solid_surface

Ints = npt.NDArray[np.int64]

_CHUNK = 32_768  #: rays shaded at a time: their working arrays stay in the cache
_GLOSSY = 0.015  #: least share of mirrored light that is worth computing


@dataclass(frozen=True, eq=False)
class Shade:
    """What keeps light away."""

    shadows: ShadowMap
    contact: ContactShade


def radiance(rays: Rays, hits: Hits, solids: SolidSet, style: Style, shade: Shade) -> Floats:
    """Linear light (H, W, 3) that comes in along each ray."""
    out = np.empty((hits.t.size, 3), np.float32)
    for here in _chunks(np.flatnonzero(hits.face == NOTHING)):
        direction = rays.flat_directions(here)
        out[here] = style.light.sky(direction / np.sqrt((direction * direction).sum(axis=0))).T
    for surface, look in painted(rays, hits, solids, style):
        out[surface.rays] = _lit(surface, look, style.light, shade).T
    return out.reshape(*rays.shape, 3)


def painted(
    rays: Rays, hits: Hits, solids: SolidSet, style: Style
) -> Iterator[tuple[Surface, Paint]]:
    """All places that rays hit, in pieces of one material each, and their looks."""
    face = hits.face.ravel()
    on_solid = np.flatnonzero(face >= 0)
    pattern = np.take(solids.pattern[solids.solid_of_face], face[on_solid])
    for kind in Pattern:
        for here in _chunks(on_solid[pattern == kind]):
            surface = solid_surface(rays, hits, solids, here)
            yield surface, paint(kind, surface)
    for here in _chunks(np.flatnonzero((face == GROUND) | (face == KERB))):
        yield _ground(rays, hits, style, here)


def semantic_labels(
    rays: Rays, hits: Hits, solids: SolidSet, style: Style, indices: Ints
) -> npt.NDArray[np.uint8]:
    """Classes (n) of the rays with these flat indices."""
    face = hits.face.ravel()[indices]
    label = np.full(face.size, Label.SKY, np.uint8)
    on_solid = face >= 0
    label[on_solid] = solids.label[solids.solid_of_face[face[on_solid]]]
    on_ground = face == GROUND
    world, _, _ = place(rays, hits, indices[on_ground])
    label[on_ground] = paving.labels(style.street, style.street.lateral(world[0], world[1]))
    label[face == KERB] = Label.SIDEWALK
    return label


def _chunks(indices: Ints) -> Iterator[Ints]:
    for start in range(0, indices.size, _CHUNK):
        yield indices[start : start + _CHUNK]


def _ground(rays: Rays, hits: Hits, style: Style, indices: Ints) -> tuple[Surface, Paint]:
    street = style.street
    world, view, distance = place(rays, hits, indices)
    x, lateral = world[0], street.lateral(world[0], world[1])
    kerb = hits.face.ravel()[indices] == KERB
    side = np.sign(lateral)
    # The kerb's face belongs to the kerbstone and not, by a rounding error, to the road.
    lateral = np.where(kerb, side * np.float32(street.half_width + 0.01), lateral)
    slope = street.slope(x)
    level = kerb * -side / np.sqrt(1 + slope * slope)  # of the normal, which faces the road
    normal = np.stack([-slope * level, level, 1.0 - kerb]).astype(np.float32)
    extent = footprint(rays, distance, view, normal)
    look = paving.paint_ground(style.paving, street, x, lateral, extent)
    return Surface(indices, world, view, normal, distance, extent), look


def _lit(surface: Surface, look: Paint, light: Daylight, shade: Shade) -> Floats:
    """Light (3, n) that places send towards the camera."""
    normal = surface.normal if look.normal is None else look.normal
    facing = light.to_sun.astype(np.float32) @ normal
    if look.leafy:
        direct = np.clip(0.25 + 0.75 * facing, 0, 1) + 0.35 * np.clip(-facing, 0, 1)
    else:
        direct = np.clip(facing, 0, 1)
    # What faces away from the sun needs no shadows, unless it mirrors.
    asked = np.flatnonzero((direct > 0) | (look.gloss > _GLOSSY))
    sunlit = np.zeros_like(facing)
    sunlit[asked] = shade.shadows.sunlit(
        *(np.take(v, asked, axis=1) for v in (surface.world, surface.normal))
    )
    sun, ambient = column(light.sun), column(light.ambient)
    sky_seen = (0.62 + 0.38 * normal[2]) * (0.75 if look.leafy else 1.0)
    sky_seen = sky_seen * shade.contact.open_sky(surface.world, surface.normal)
    # A tenth of the light comes back from the ground.
    ground = (sun * np.float32(np.sin(light.elevation)) + ambient) * np.float32(0.10)
    incoming = sun * (direct * sunlit) + ambient * sky_seen + ground * (0.5 - 0.5 * normal[2])
    color = look.albedo * incoming

    _add_reflections(color, surface, look, light, sunlit)
    return light.haze(color, surface.distance)


def _add_reflections(
    color: Floats, surface: Surface, look: Paint, light: Daylight, sunlit: Floats
) -> None:
    """Blend into `color` (3, n) what shiny places mirror (Schlick's Fresnel term, softened)."""
    shiny = np.flatnonzero(look.gloss > _GLOSSY)
    if not shiny.size:
        return
    view, normal = (np.take(v, shiny, axis=1) for v in (surface.view, surface.normal))
    gloss = look.gloss[shiny]
    cosine = -(view * normal).sum(axis=0)
    mirror = view + 2 * cosine * normal
    share = gloss + 0.5 * (1 - gloss) * np.square(np.square(np.clip(1 - cosine, 0, 1)))
    glint = np.clip(light.to_sun.astype(np.float32) @ mirror, 0, 1) ** 400 * sunlit[shiny]
    seen = light.surroundings(mirror) + 25 * column(light.sun) * glint
    color[:, shiny] = color[:, shiny] * (1 - share) + seen * share
