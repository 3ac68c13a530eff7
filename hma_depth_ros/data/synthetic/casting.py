"""The ray caster: which solid each ray of a grid meets first, and where.

Each solid is intersected with the rays of its window only, nearest solids first, so the cost
follows the number of covered rays and not rays times solids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic.cutouts import is_hole
from hma_depth_ros.data.synthetic.materials import Cutout
from hma_depth_ros.data.synthetic.rays import Rays
from hma_depth_ros.data.synthetic.solids import Shape, SolidSet

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Values of `Hits.face` that are no face of a solid.
NOTHING, GROUND, KERB = -1, -2, -3

_BAND = 60_000  #: rays intersected at a time: their working arrays stay in the cache


@dataclass(frozen=True, eq=False)
class Hits:
    """First hit of every ray."""

    t: Floats  #: (H, W) parameter along the ray, +inf where there is nothing
    face: npt.NDArray[np.int32]  #: (H, W) face of the `SolidSet`, or NOTHING, GROUND, KERB

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> Hits:
        """No ray has hit anything yet."""
        return cls(np.full(shape, np.inf, np.float32), np.full(shape, NOTHING, np.int32))


def cast(rays: Rays, solids: SolidSet, hits: Hits) -> None:
    """Enter into `hits` all solids that are nearer than what is there."""
    windows = rays.windows(solids.corners)
    bodies = _Bodies.relative_to(rays.origin, solids)
    with np.errstate(divide="ignore", invalid="ignore"):  # rays parallel to planes, misses
        for index in windows.order.tolist():
            top, bottom, left, right = windows.bounds[index].tolist()
            rows = max(1, _BAND // (right - left))
            for row in range(top, bottom, rows):
                window = (slice(row, min(row + rows, bottom)), slice(left, right))
                known = hits.t[window]
                if known.max() <= windows.nearest[index]:
                    continue  # hidden behind what is there
                t, face, places = bodies.meet(
                    index, _part(rays.starts, window), _part(rays.directions, window), known.ravel()
                )
                y, x = np.divmod(places, right - left)
                known[y, x] = t
                hits.face[window][y, x] = face


def _part(values: Floats, window: tuple[slice, slice]) -> Floats:
    """Vectors (3, n) of a window, or (3, 1) where all rays share one."""
    rows, columns = window
    if values.shape[1:] == (1, 1):
        return values.reshape(3, 1)
    return values[:, rows, columns].reshape(3, -1)


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Geometry of a `SolidSet` in float32, relative to the origin of rays."""

    solids: SolidSet
    first_face: Ints  #: (N)
    normals: Floats  #: (F, 3)
    distances: Floats  #: (F) of the origin from each plane
    unit: Floats  #: (N, 3, 4)
    to_object: Floats  #: (N, 3, 4)

    @classmethod
    def relative_to(cls, origin: Doubles, solids: SolidSet) -> _Bodies:
        """Shift the origin in float64: the world is large, the scene is near."""
        planes = solids.planes
        return cls(
            solids=solids,
            first_face=solids.first_face,
            normals=planes[:, :3].astype(np.float32),
            distances=(planes[:, :3] @ origin + planes[:, 3]).astype(np.float32),
            unit=_shifted(solids.unit, origin),
            to_object=_shifted(solids.to_object, origin),
        )

    def meet(
        self, index: int, starts: Floats, directions: Floats, known: Floats
    ) -> tuple[Floats, Ints, Ints]:
        """Parameters and faces of hits of one solid before `known` (n), and the rays' places."""
        shape = self.solids.shape[index]
        first = int(self.first_face[index])
        faces = slice(first, first + int(self.solids.face_count[index]))
        planes = self.normals[faces], self.distances[faces]
        if shape == Shape.POLYHEDRON:
            t = _cross_polyhedron(*planes, starts, directions)
        else:
            t = _cross_quadric(shape, self.unit[index], starts, directions)
        places = np.flatnonzero((t > 0) & (t < known))
        if not places.size:
            return t[places], places, places
        starts, directions, t = _at(starts, places), _at(directions, places), t[places]
        face = np.full(t.size, first)
        if shape == Shape.POLYHEDRON:
            face += _entered_face(*planes, starts, directions)
        if self.solids.cutout[index] != Cutout.NONE:
            kept = ~self._holes(index, starts + t * directions, face)
            places, t, face = places[kept], t[kept], face[kept]
        return t, face, places

    def _holes(self, index: int, points: Floats, face: Ints) -> npt.NDArray[np.bool_]:
        """Which points (3, n) on faces (n) of one solid are holes."""
        unit, frame = self.unit[index], self.to_object[index]
        if self.solids.shape[index] == Shape.POLYHEDRON:
            outward = self.normals[face].T
        else:
            outward = unit[:, :3].T @ (unit[:, :3] @ points + unit[:, 3:])
        return is_hole(
            Cutout(self.solids.cutout[index]),
            frame[:, :3] @ points + frame[:, 3:],
            frame[:, :3] @ outward,
            self.solids.dimensions[index],
            int(self.solids.seed[index]),
        )


def _shifted(maps: Doubles, origin: Doubles) -> Floats:
    """Affine maps (N, 3, 4) of the world, made to take points relative to `origin`."""
    offset = maps @ np.append(origin, 1.0)
    return np.concatenate([maps[..., :3], offset[..., None]], axis=2).astype(np.float32)


def _at(values: Floats, places: Ints) -> Floats:
    return values if values.shape[1] == 1 else values[:, places]


def _cross_polyhedron(
    normals: Floats, distances: Floats, starts: Floats, directions: Floats
) -> Floats:
    """Parameter (n) at which rays enter the intersection of half-spaces, +inf for a miss.

    A ray is inside between its last entry into a half-space and its first exit from one. For rays
    from one point, ``1 / t`` is linear in the direction, and for parallel rays t is linear in the
    start: one small matrix product, and a minimum and maximum over its rows.
    """
    if starts.shape[1] == 1:
        above = normals @ starts[:, 0] + distances
        above = np.where(above == 0, np.float32(1e-6), above)
        nearness = (normals / -above[:, None]) @ directions
        enter = nearness[above > 0].min(axis=0, initial=np.inf)
        leave = nearness[above < 0].max(axis=0, initial=0)
        return np.where(enter > leave, 1 / enter, np.float32(np.inf))
    approach = normals @ directions[:, 0]
    approach = np.where(approach == 0, np.float32(1e-6), approach)
    t = (normals / -approach[:, None]) @ starts - (distances / approach)[:, None]
    enter = t[approach < 0].max(axis=0, initial=-np.inf)
    leave = t[approach > 0].min(axis=0, initial=np.inf)
    return np.where(enter < leave, enter, np.float32(np.inf))


def _entered_face(
    normals: Floats, distances: Floats, starts: Floats, directions: Floats
) -> Ints:
    """Plane (n) through which rays that meet a polyhedron enter it."""
    approach = normals @ directions
    t = -(normals @ starts + distances[:, None]) / approach
    return np.asarray(np.where(approach < 0, t, -np.inf).argmax(axis=0))


def _cross_quadric(
    shape: int, unit: Floats, starts: Floats, directions: Floats
) -> Floats:
    """Parameter (n) at which rays enter an ellipsoid or cylinder, +inf for a miss."""
    origin = unit[:, :3] @ starts + unit[:, 3:]
    direction = unit[:, :3] @ directions
    round_axes = 3 if shape == Shape.ELLIPSOID else 2
    o, d = origin[:round_axes], direction[:round_axes]
    a = (d * d).sum(axis=0)
    closest = -(o * d).sum(axis=0) / a
    # The textbook's discriminant b^2 - a (o.o - 1) cancels for distant bodies; this does not.
    across = o + closest * d
    half = np.sqrt((1 - (across * across).sum(axis=0)) / a)  # NaN where the ray passes by
    enter, leave = closest - half, closest + half
    if shape == Shape.CYLINDER:
        forward = np.sign(direction[2])
        enter = np.maximum(enter, (-forward - origin[2]) / direction[2])
        leave = np.minimum(leave, (forward - origin[2]) / direction[2])
    return np.where(enter < leave, enter, np.float32(np.inf))
