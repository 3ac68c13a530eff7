"""Places where rays met a surface, with all that a pattern needs to colour them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.casting import Hits
from hma_depth_ros.synthetic.intersection import moved, turned
from hma_depth_ros.synthetic.noise import cell_hash
from hma_depth_ros.synthetic.rays import Floats, Rays
from hma_depth_ros.synthetic.solids import Shape, SolidSet

Ints = npt.NDArray[np.int64]

_GRAZING = 0.15  #: least cosine counted when a ray's footprint is spread over the surface


@dataclass(frozen=True, eq=False)
class Surface:
    """n places, as columns."""

    rays: Ints  #: (n) flat indices of the rays
    world: Floats  #: (3, n) metres
    view: Floats  #: (3, n) unit vectors towards the place
    normal: Floats  #: (3, n) unit vectors, outward, in the world
    distance: Floats  #: (n) from the rays' origin, metres
    footprint: Floats  #: (n) extent of a sample on the surface, metres


@dataclass(frozen=True, eq=False)
class SolidSurface(Surface):
    """n places on solids."""

    solids: SolidSet
    solid: Ints  #: (n) which solid
    local: Floats  #: (3, n) in the frame of the solid's object
    local_normal: Floats  #: (3, n)

    @cached_property
    def color(self) -> Floats:
        """(3, n) main colour, linear."""
        return np.take(self.solids.columns.color, self.solid, axis=1)

    @cached_property
    def accent(self) -> Floats:
        """(3, n) second colour, linear."""
        return np.take(self.solids.columns.accent, self.solid, axis=1)

    @cached_property
    def seed(self) -> Ints:
        """(n) seed of the object's pattern."""
        return np.take(self.solids.seed, self.solid)

    def chance(self, key: int) -> Floats:
        """(n) random number in [0, 1) of the object's pattern, one for each key."""
        return np.take(cell_hash(self.solids.seed, key), self.solid)

    def to_world(self, vectors: Floats) -> Floats:
        """Vectors (3, n) of the objects' frames in the world."""
        maps = np.take(self.solids.columns.to_object, self.solid, axis=2)
        return turned(maps[:, :3].transpose(1, 0, 2), vectors)

    @cached_property
    def gloss(self) -> Floats:
        """(n) share of the light mirrored at normal incidence."""
        return np.take(self.solids.gloss, self.solid)

    def dimension(self, index: int) -> Floats:
        """(n) one of the material's dimensions."""
        return np.take(self.solids.columns.dimensions[index], self.solid)


def place(rays: Rays, hits: Hits, indices: Ints) -> tuple[Floats, Floats, Floats]:
    """World points (3, n), unit view vectors (3, n) and distances (n) of hits of those rays."""
    t = hits.t.ravel()[indices]
    directions = rays.flat_directions(indices)
    world = rays.origin.astype(np.float32)[:, None] + rays.flat_starts(indices) + t * directions
    length = np.sqrt((directions * directions).sum(axis=0))
    return world, directions / length, t * length


def footprint(rays: Rays, distance: Floats, view: Floats, normal: Floats) -> Floats:
    """Extent of a ray on a tilted surface: the mean of along and across."""
    width = distance * np.float32(rays.spread)
    cosine = np.abs((view * normal).sum(axis=0))
    return width / np.sqrt(np.maximum(cosine, _GRAZING))


def solid_surface(rays: Rays, hits: Hits, solids: SolidSet, indices: Ints) -> SolidSurface:
    """Surface at the rays (flat indices) that hit solids."""
    world, view, distance = place(rays, hits, indices)
    face = hits.face.ravel()[indices]
    solid = solids.solid_of_face[face]
    normal = _normals(solids, world, face, solid)
    to_object = np.take(solids.columns.to_object, solid, axis=2)
    return SolidSurface(
        rays=indices,
        world=world,
        view=view,
        normal=normal,
        distance=distance,
        footprint=footprint(rays, distance, view, normal),
        solids=solids,
        solid=solid,
        local=moved(to_object, world),
        local_normal=turned(to_object, normal),
    )


def _normals(solids: SolidSet, world: Floats, face: npt.NDArray[np.int32], solid: Ints) -> Floats:
    """Outward unit normals (3, n)."""
    normal = np.take(solids.columns.normals, face, axis=1)
    round_ = np.flatnonzero(
        (solids.shape[solid] == Shape.ELLIPSOID) | (solids.shape[solid] == Shape.CYLINDER)
    )
    if not round_.size:
        return normal
    which = solid[round_]
    unit = np.take(solids.columns.unit, which, axis=2)
    place_ = moved(unit, np.take(world, round_, axis=1))
    cylinder = solids.shape[which] == Shape.CYLINDER
    end = cylinder & (np.abs(place_[2]) > 0.999)
    place_[2] = np.where(cylinder & ~end, 0, place_[2])
    place_[:2] = np.where(end, 0, place_[:2])
    outward = turned(unit[:, :3].transpose(1, 0, 2), place_)
    normal[:, round_] = outward / np.sqrt((outward * outward).sum(axis=0))
    return normal
