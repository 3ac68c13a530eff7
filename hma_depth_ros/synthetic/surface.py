"""Places where rays met a surface, with all that a pattern needs to colour them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.casting import Hits
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

    @property
    def color(self) -> Floats:
        """(3, n) main colour, linear."""
        return self.solids.color[self.solid].T

    @property
    def accent(self) -> Floats:
        """(3, n) second colour, linear."""
        return self.solids.accent[self.solid].T

    @property
    def seed(self) -> Ints:
        """(n) seed of the object's pattern."""
        return self.solids.seed[self.solid]

    def to_world(self, vectors: Floats) -> Floats:
        """Vectors (3, n) of the objects' frames in the world."""
        rotation = self.solids.to_object.astype(np.float32)[self.solid, :, :3]
        return _apply(rotation.transpose(0, 2, 1), vectors)

    @property
    def gloss(self) -> Floats:
        """(n) share of the light mirrored at normal incidence."""
        return self.solids.gloss[self.solid]

    def dimension(self, index: int) -> Floats:
        """(n) one of the material's dimensions."""
        return self.solids.dimensions[self.solid, index]


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
    to_object = solids.to_object.astype(np.float32)[solid]
    rotation, offset = to_object[..., :3], to_object[..., 3]
    return SolidSurface(
        rays=indices,
        world=world,
        view=view,
        normal=normal,
        distance=distance,
        footprint=footprint(rays, distance, view, normal),
        solids=solids,
        solid=solid,
        local=_apply(rotation, world) + offset.T,
        local_normal=_apply(rotation, normal),
    )


def _apply(matrices: Floats, vectors: Floats) -> Floats:
    """Products (3, n) of matrices (n, 3, 3) and vectors (3, n)."""
    return np.stack(
        [
            matrices[:, row, 0] * vectors[0]
            + matrices[:, row, 1] * vectors[1]
            + matrices[:, row, 2] * vectors[2]
            for row in range(3)
        ]
    )


def _normals(solids: SolidSet, world: Floats, face: npt.NDArray[np.int32], solid: Ints) -> Floats:
    """Outward unit normals (3, n)."""
    normal = np.take(solids.planes[:, :3].astype(np.float32), face, axis=0).T.copy()
    round_ = np.flatnonzero(
        (solids.shape[solid] == Shape.ELLIPSOID) | (solids.shape[solid] == Shape.CYLINDER)
    )
    if not round_.size:
        return normal
    which = solid[round_]
    unit = solids.unit.astype(np.float32)[which]
    place_ = _apply(unit[..., :3], world[:, round_]) + unit[..., 3].T
    cylinder = solids.shape[which] == Shape.CYLINDER
    end = cylinder & (np.abs(place_[2]) > 0.999)
    place_[2] = np.where(cylinder & ~end, 0, place_[2])
    place_[:2] = np.where(end, 0, place_[:2])
    outward = _apply(unit[..., :3].transpose(0, 2, 1), place_)
    normal[:, round_] = outward / np.sqrt((outward * outward).sum(axis=0))
    return normal
