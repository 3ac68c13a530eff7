"""The bodies of the scene: convex polyhedra, ellipsoids, cylinders and discs.

Houses, cars and trees are unions of them. A `SolidSet` keeps many as columns of arrays, so that
placing, culling and shading need no loop over things.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.materials import Material

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Vector = Sequence[float] | Doubles

MAX_DIMENSIONS = 8
_UNIT_CORNERS = np.array([[x, y, z] for z in (-1.0, 1) for y in (-1.0, 1) for x in (-1.0, 1)])


class Shape(IntEnum):
    """How a solid is intersected."""

    POLYHEDRON = 0
    ELLIPSOID = 1
    CYLINDER = 2
    DISC = 3


@dataclass(frozen=True, eq=False)
class Solid:
    """One convex body in its object's frame (metres, z up)."""

    shape: Shape
    material: Material
    #: (K, 4) outward unit normals and offsets: inside is n . x + d <= 0. A round body has one row,
    #: across its third axis, so that it owns a face.
    planes: Doubles
    unit: Doubles  #: (3, 4) map onto the unit sphere, disc, or cylinder with |z| <= 1
    corners: Doubles  #: (8, 3) of a box around the body

    @classmethod
    def polyhedron(cls, material: Material, planes: Doubles, low: Vector, high: Vector) -> Solid:
        """Intersection of half-spaces (K, 4) within the box from `low` to `high`."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        corners = (low + high) / 2 + _UNIT_CORNERS * (high - low) / 2
        normalised = planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)
        return cls(Shape.POLYHEDRON, material, normalised, np.zeros((3, 4)), corners)

    @classmethod
    def box(cls, material: Material, low: Vector, high: Vector) -> Solid:
        """Box with faces along the object's axes."""
        axes = np.eye(3)
        low, high = np.asarray(low, float), np.asarray(high, float)
        planes = np.concatenate(
            [np.column_stack([axes, -high]), np.column_stack([-axes, low])], axis=0
        )
        return cls.polyhedron(material, planes, low, high)

    @classmethod
    def prism(
        cls,
        material: Material,
        profile: Sequence[tuple[float, float]],
        low: float,
        high: float,
        *,
        axis: int,
    ) -> Solid:
        """Convex polygon extruded from `low` to `high` along x (axis 0) or y (axis 1).

        The profile's points are (y, z) or (x, z), counter-clockwise.
        """
        points = np.asarray(profile, float)
        across = 1 - axis
        edges = np.roll(points, -1, axis=0) - points
        sides = np.zeros((len(points), 4))
        sides[:, across], sides[:, 2] = edges[:, 1], -edges[:, 0]
        sides[:, 3] = -(sides[:, across] * points[:, 0] + sides[:, 2] * points[:, 1])
        ends = np.zeros((2, 4))
        ends[0, axis], ends[0, 3] = 1, -high
        ends[1, axis], ends[1, 3] = -1, low
        bounds = np.empty((2, 3))
        bounds[:, axis] = low, high
        bounds[:, across] = points[:, 0].min(), points[:, 0].max()
        bounds[:, 2] = points[:, 1].min(), points[:, 1].max()
        return cls.polyhedron(material, np.concatenate([sides, ends]), bounds[0], bounds[1])

    @classmethod
    def ellipsoid(cls, material: Material, centre: Vector, radii: Vector) -> Solid:
        """Ellipsoid with half axes along the object's axes."""
        return cls._round(Shape.ELLIPSOID, material, centre, radii, np.eye(3))

    @classmethod
    def disc(cls, material: Material, centre: Vector, radius: float, *, facing: Vector) -> Solid:
        """Flat disc without thickness, seen from both sides."""
        normal = np.asarray(facing, float) / np.linalg.norm(facing)
        return cls._round(Shape.DISC, material, centre, (radius, radius, 1e-3), axes_around(normal))

    @classmethod
    def cylinder(cls, material: Material, base: Vector, top: Vector, radius: float) -> Solid:
        """Straight cylinder between the centres of its two ends."""
        base, top = np.asarray(base, float), np.asarray(top, float)
        half = (top - base) / 2
        length = float(np.linalg.norm(half))
        return cls._round(
            Shape.CYLINDER,
            material,
            base + half,
            (radius, radius, length),
            axes_around(half / length),
        )

    @classmethod
    def _round(
        cls, shape: Shape, material: Material, centre: Vector, radii: Vector, axes: Doubles
    ) -> Solid:
        """Body that is simple after a move to `centre`, turn to `axes` and division by `radii`."""
        centre, radii = np.asarray(centre, float), np.asarray(radii, float)
        rotation = axes / radii[:, None]
        unit = np.column_stack([rotation, -rotation @ centre])
        plane = np.array([[*axes[2], -axes[2] @ centre]])
        return cls(shape, material, plane, unit, centre + (_UNIT_CORNERS * radii) @ axes)


def axes_around(along: Doubles) -> Doubles:
    """Three orthogonal unit vectors (rows), the last of which is the unit vector `along`."""
    x, y, z = along.tolist()
    # Across both `along` and the axis that is far from it.
    aside = (0.0, z, -y) if abs(x) < 0.7 else (-z, 0.0, x)
    length = math.hypot(*aside)
    a, b, c = (value / length for value in aside)
    return np.array([[a, b, c], [y * c - z * b, z * a - x * c, x * b - y * a], [x, y, z]])


@dataclass(frozen=True, eq=False)
class SolidSet:
    """Many solids in a common frame, as columns: N solids with F faces in all."""

    shape: npt.NDArray[np.uint8]  #: (N)
    corners: Doubles  #: (N, 8, 3)
    unit: Doubles  #: (N, 3, 4)
    to_object: Doubles  #: (N, 3, 4) from the common frame to the object's own, for textures
    face_count: npt.NDArray[np.int64]  #: (N)
    planes: Doubles  #: (F, 4)
    pattern: npt.NDArray[np.uint8]  #: (N)
    label: npt.NDArray[np.uint8]  #: (N)
    cutout: npt.NDArray[np.uint8]  #: (N)
    color: Floats  #: (N, 3) linear
    accent: Floats  #: (N, 3) linear
    dimensions: Floats  #: (N, 8)
    gloss: Floats  #: (N)
    retro: Floats  #: (N)
    seed: npt.NDArray[np.int64]  #: (N)

    def __len__(self) -> int:
        """Return the number of solids."""
        return len(self.shape)

    @classmethod
    def of(cls, solids: Sequence[Solid]) -> SolidSet:
        """Set of the solids of one object, in the object's frame."""
        materials = [solid.material for solid in solids]
        count = len(solids)
        return cls(
            shape=np.array([s.shape for s in solids], np.uint8),
            corners=np.array([s.corners for s in solids]).reshape(count, 8, 3),
            unit=np.array([s.unit for s in solids]).reshape(count, 3, 4),
            to_object=np.tile(np.eye(4)[:3], (count, 1, 1)),
            face_count=np.array([len(s.planes) for s in solids], np.int64),
            planes=np.concatenate([np.zeros((0, 4)), *(s.planes for s in solids)]),
            pattern=np.array([m.pattern for m in materials], np.uint8),
            label=np.array([m.label for m in materials], np.uint8),
            cutout=np.array([m.cutout for m in materials], np.uint8),
            color=_linear([m.color for m in materials]),
            accent=_linear([m.accent for m in materials]),
            dimensions=np.array([_padded(m.dimensions) for m in materials], np.float32).reshape(
                count, MAX_DIMENSIONS
            ),
            gloss=np.array([m.gloss for m in materials], np.float32),
            retro=np.array([m.retro for m in materials], np.float32),
            seed=np.array([m.seed for m in materials], np.int64),
        )

    @classmethod
    def union(cls, sets: Iterable[SolidSet]) -> SolidSet:
        """All solids of sets in a common frame."""
        parts = [cls.of([]), *sets]
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )

    def moved(self, pose: Doubles) -> SolidSet:
        """Solids moved by a rigid 4x4 transform of the common frame."""
        rotation, translation = pose[:3, :3], pose[:3, 3]
        normals = self.planes[:, :3] @ rotation.T
        offsets = self.planes[:, 3] - normals @ translation
        back = np.asarray(np.linalg.inv(pose), np.float64)
        return replace(
            self,
            corners=self.corners @ rotation.T + translation,
            unit=_then(back, self.unit),
            to_object=_then(back, self.to_object),
            planes=np.column_stack([normals, offsets]),
        )

    @cached_property
    def first_face(self) -> npt.NDArray[np.int64]:
        """(N) index of each solid's first face."""
        return np.cumsum(self.face_count) - self.face_count

    @cached_property
    def solid_of_face(self) -> npt.NDArray[np.int64]:
        """(F) index of the solid that a face belongs to."""
        return np.repeat(np.arange(len(self)), self.face_count)

    @cached_property
    def columns(self) -> SolidColumns:
        """What rays that hit a solid ask for."""
        return SolidColumns(
            normals=_columns(self.planes[:, :3]),
            unit=_columns(self.unit),
            to_object=_columns(self.to_object),
            color=_columns(self.color),
            accent=_columns(self.accent),
            dimensions=_columns(self.dimensions),
        )


@dataclass(frozen=True, eq=False)
class SolidColumns:
    """Numbers of a `SolidSet` in float32, the solid's or face's index last.

    Looked up for many rays they make arrays of contiguous rows, (3, n), which NumPy works through
    several times faster than through (n, 3).
    """

    normals: Floats  #: (3, F)
    unit: Floats  #: (3, 4, N)
    to_object: Floats  #: (3, 4, N)
    color: Floats  #: (3, N)
    accent: Floats  #: (3, N)
    dimensions: Floats  #: (8, N)


def _columns(values: npt.NDArray[np.floating]) -> Floats:
    return np.ascontiguousarray(np.moveaxis(values, 0, -1), np.float32)


def _padded(dimensions: tuple[float, ...]) -> tuple[float, ...]:
    return dimensions + (0.0,) * (MAX_DIMENSIONS - len(dimensions))


def _then(first: Doubles, maps: Doubles) -> Doubles:
    """Affine maps (N, 3, 4) after the 4x4 transform `first`."""
    return np.asarray(maps @ first)


def _linear(colors: Sequence[tuple[float, float, float]]) -> Floats:
    """Linear light (N, 3) of sRGB colours, by a plain gamma of 2.2."""
    return (np.array(colors, np.float32).reshape(-1, 3) ** np.float32(2.2)).astype(np.float32)
