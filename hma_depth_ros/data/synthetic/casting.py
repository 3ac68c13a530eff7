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
    normals = solids.planes[:, :3].astype(np.float32)
    # Distance of the origin from each plane, in float64: the world is large, the scene is near.
    distances = (solids.planes[:, :3] @ rays.origin + solids.planes[:, 3]).astype(np.float32)
    unit, to_object = _from(solids.unit, rays.origin), _from(solids.to_object, rays.origin)
    first_face, face_count = solids.first_face, solids.face_count
    with np.errstate(divide="ignore", invalid="ignore"):
        for index in windows.order.tolist():
            top, bottom, left, right = windows.bounds[index].tolist()
            faces = slice(first_face[index], first_face[index] + face_count[index])
            rows = max(1, _BAND // (right - left))
            for row in range(top, bottom, rows):
                window = (slice(row, min(row + rows, bottom)), slice(left, right))
                known = hits.t[window]
                if known.max() <= windows.nearest[index]:
                    continue  # hidden
                starts, directions = _part(rays.starts, window), _part(rays.directions, window)
                if solids.shape[index] == Shape.POLYHEDRON:
                    t, face = _enter_polyhedron(
                        normals[faces], distances[faces], starts, directions
                    )
                else:
                    t = _enter_quadric(solids.shape[index], unit[index], starts, directions)
                    face = None
                met = (t > 0) & (t < known.ravel())
                places = np.flatnonzero(met)
                if not places.size:
                    continue
                if solids.cutout[index] != Cutout.NONE:
                    points = _columns(starts, places) + t[places] * _columns(directions, places)
                    if face is None:
                        half = unit[index]
                        outward = half[:, :3].T @ (half[:, :3] @ points + half[:, 3:])
                    else:
                        outward = normals[faces][face[places]].T
                    frame = to_object[index]
                    hole = is_hole(
                        Cutout(solids.cutout[index]),
                        frame[:, :3] @ points + frame[:, 3:],
                        frame[:, :3] @ outward,
                        solids.dimensions[index],
                    )
                    places = places[~hole]
                y, x = np.divmod(places, right - left)
                known[y, x] = t[places]
                hits.face[window][y, x] = first_face[index] + (0 if face is None else face[places])


def _from(maps: Doubles, origin: Doubles) -> Floats:
    """Affine maps (N, 3, 4) of the world, made to take points relative to `origin`."""
    offset = maps @ np.append(origin, 1.0)
    return np.concatenate([maps[..., :3], offset[..., None]], axis=2).astype(np.float32)


def _part(values: Floats, window: tuple[slice, slice]) -> Floats:
    """Vectors (3, n) of a window, or (3, 1) where all rays share one."""
    return values.reshape(3, 1) if values.shape[1:] == (1, 1) else values[:, *window].reshape(3, -1)


def _columns(values: Floats, places: npt.NDArray[np.int64]) -> Floats:
    return values if values.shape[1] == 1 else values[:, places]


def _enter_polyhedron(
    normals: Floats, distances: Floats, starts: Floats, directions: Floats
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Parameter (n) at which rays enter the planes' intersection, +inf for a miss, and the face.

    A ray is inside between its last entry into a half-space and its first exit from one.
    """
    approach = normals @ directions
    t = -(normals @ starts + distances[:, None]) / approach
    entries = np.where(approach < 0, t, -np.inf)
    enter = entries.max(axis=0)
    leave = np.where(approach > 0, t, np.inf).min(axis=0)
    return np.where(enter < leave, enter, np.inf), entries.argmax(axis=0)


def _enter_quadric(shape: int, unit: Floats, starts: Floats, directions: Floats) -> Floats:
    """Parameter (n) at which rays enter an ellipsoid or cylinder, +inf for a miss."""
    origin = unit[:, :3] @ starts + unit[:, 3:]
    direction = unit[:, :3] @ directions
    round_axes = 3 if shape == Shape.ELLIPSOID else 2
    o, d = origin[:round_axes], direction[:round_axes]
    a = (d * d).sum(axis=0)
    b = (o * d).sum(axis=0)
    # The discriminant b^2 - a (o.o - 1) cancels for distant bodies; this form does not.
    across = o - (b / a) * d
    inside = 1 - (across * across).sum(axis=0)
    half = np.sqrt(inside / a)
    enter = -b / a - half
    if shape == Shape.CYLINDER:
        to_ends = (-np.sign(direction[2]) - origin[2]) / direction[2]
        from_ends = (np.sign(direction[2]) - origin[2]) / direction[2]
        leave = np.minimum(-b / a + half, from_ends)
        enter = np.maximum(enter, to_ends)
        return np.where(enter < leave, enter, np.inf)
    return np.where(inside > 0, enter, np.inf)
