"""The ray caster: which solid each ray of a grid meets first, and where.

Each solid is intersected with the rays of its window only, so the cost follows the number of
covered rays and not rays times solids. Solids with large windows are taken one by one, the nearest
first. The thousands with small ones (leaves, distant posts) are taken together, as one long list of
pairs of solid and ray: the work for each is less than that of calling NumPy for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.cutouts import holes
from hma_depth_ros.synthetic.intersection import (
    enter_large_ellipsoid,
    enter_polyhedron,
    enter_round,
    entered_face,
    moved,
    turned,
)
from hma_depth_ros.synthetic.materials import Cutout
from hma_depth_ros.synthetic.rays import Rays, Windows
from hma_depth_ros.synthetic.solids import Shape, SolidSet

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Values of `Hits.face` that are no face of a solid.
NOTHING, GROUND, KERB = -1, -2, -3

_BAND = 60_000  #: rays intersected at a time: their working arrays stay in the cache
_SMALL = 3_000  #: rays in a window that counts as small
# Members of an IntEnum are slow to look up in inner loops.
_POLYHEDRON, _ELLIPSOID, _CYLINDER, _DISC = map(int, Shape)
_HOLED = tuple((int(kind), kind) for kind in Cutout if kind != Cutout.NONE)


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
    order = windows.order
    small = (windows.area[order] < _SMALL) & (solids.shape[order] != _POLYHEDRON)
    with np.errstate(divide="ignore", invalid="ignore"):  # rays parallel to planes, misses
        for index in order[~small].tolist():
            _cast_one(rays, bodies, windows, hits, index)
        for shape in (_ELLIPSOID, _CYLINDER, _DISC):
            alike = order[small & (solids.shape[order] == shape)]
            ends = np.cumsum(windows.area[alike])
            for part in np.split(
                alike, np.searchsorted(ends, range(_BAND, int(ends[-1:].sum()), _BAND))
            ):
                _cast_together(rays, bodies, windows, hits, part)


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Geometry of a `SolidSet` in float32, relative to the origin of rays."""

    solids: SolidSet
    first_face: Ints  #: (N)
    normals: Floats  #: (F, 3)
    distances: Floats  #: (F) of the origin from each plane
    unit: Floats  #: (3, 4, N)
    to_object: Floats  #: (3, 4, N)

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

    def closed(self, solid: Ints, points: Floats, face: Ints) -> npt.NDArray[np.bool_]:
        """Which points (3, n) on faces (n) are not holes; of solids (n), or (1) for one alone."""
        closed = np.ones(points.shape[1], bool)
        cutouts = self.solids.cutout[solid]
        for value, cutout in _HOLED:
            if not (cutouts == value).any():
                continue
            alone = solid.size == 1
            here = slice(None) if alone else np.flatnonzero(cutouts == value)
            which = solid if alone else solid[here]
            frame = np.take(self.to_object, which, axis=2)
            place = points[:, here]
            closed[here] = ~holes(
                cutout,
                moved(frame, place),
                turned(frame, self._outward(which, place, face[here])),
                np.take(self.solids.columns.dimensions, which, axis=1),
                self.solids.seed[which],
            )
        return closed

    def _outward(self, solid: Ints, points: Floats, face: Ints) -> Floats:
        """Normals (3, n) of any length; all solids have one shape."""
        if self.solids.shape[solid[0]] in (_POLYHEDRON, _DISC):
            return np.take(self.normals, face, axis=0).T
        unit = np.take(self.unit, solid, axis=2)
        return turned(unit[:, :3].transpose(1, 0, 2), moved(unit, points))


def _shifted(maps: Doubles, origin: Doubles) -> Floats:
    """Maps (3, 4, N) that take points relative to `origin` as (N, 3, 4) take those of the world."""
    shifted = np.array(maps.transpose(1, 2, 0), np.float32)
    shifted[:, 3] = (maps @ np.append(origin, 1.0)).T
    return shifted


def _cast_one(rays: Rays, bodies: _Bodies, windows: Windows, hits: Hits, index: int) -> None:
    """Enter one solid, band by band of its window."""
    top, bottom, left, right = windows.bounds[index].tolist()
    first, count = int(bodies.first_face[index]), int(bodies.solids.face_count[index])
    planes = bodies.normals[first : first + count], bodies.distances[first : first + count]
    shape = int(bodies.solids.shape[index])
    rows = max(1, _BAND // (right - left))
    for row in range(top, bottom, rows):
        window = (slice(row, min(row + rows, bottom)), slice(left, right))
        known = hits.t[window]
        if known.max() <= windows.nearest[index]:
            continue  # hidden behind what is there
        starts, directions = _part(rays.starts, window), _part(rays.directions, window)
        if shape == _POLYHEDRON:
            t = enter_polyhedron(*planes, starts, directions)
        elif shape == _ELLIPSOID and starts.shape[1] == 1:
            t = enter_large_ellipsoid(bodies.unit[..., index], directions)
        else:
            t = enter_round(shape, bodies.unit[..., index, None], starts, directions)
        places = np.flatnonzero(t < known.ravel())
        if not places.size:
            continue
        starts, directions, t = _at(starts, places), _at(directions, places), t[places]
        face: Ints = np.full(t.size, first)
        if shape == _POLYHEDRON:
            face += entered_face(*planes, starts, directions)
        if bodies.solids.cutout[index]:
            kept = bodies.closed(np.array([index]), starts + t * directions, face)
            places, t, face = places[kept], t[kept], face[kept]
        y, x = np.divmod(places, right - left)
        known[y, x] = t
        hits.face[window][y, x] = face


def _cast_together(rays: Rays, bodies: _Bodies, windows: Windows, hits: Hits, alike: Ints) -> None:
    """Enter ellipsoids, or cylinders, with small windows: all pairs of solid and ray at once."""
    if not alike.size:
        return
    top, bottom, left, right = windows.bounds[alike].T
    rows, columns = bottom - top, right - left
    # First of each window's rows, where it begins and how many rays it has, then of all rays.
    row = _counted(top, rows)
    ray = _counted(row * rays.shape[1] + np.repeat(left, rows), np.repeat(columns, rows))
    solid = np.repeat(alike, rows * columns)
    known = np.take(hits.t, ray)
    open_ = np.flatnonzero(np.repeat(windows.nearest[alike], rows * columns) < known)
    solid, ray, known = solid[open_], ray[open_], known[open_]

    starts, directions = rays.flat_starts(ray), rays.flat_directions(ray)
    unit = np.take(bodies.unit, solid, axis=2)
    t = enter_round(int(bodies.solids.shape[alike[0]]), unit, starts, directions)
    met = np.flatnonzero(t < known)
    solid, ray, t = solid[met], ray[met], t[met]
    points = _at(starts, met) + t * _at(directions, met)
    face = bodies.first_face[solid]
    kept = bodies.closed(solid, points, face)
    ray, t, face = ray[kept], t[kept], face[kept]
    far_first = np.argsort(-t, kind="stable")  # of several hits of a ray the last one stays
    hits.t.ravel()[ray[far_first]] = t[far_first]
    hits.face.ravel()[ray[far_first]] = face[far_first]


def _counted(first: Ints, count: Ints) -> Ints:
    """Numbers (sum of counts) from each `first` upwards, `count` of them."""
    ends = np.cumsum(count)
    return np.repeat(first - ends + count, count) + np.arange(ends[-1])


def _part(values: Floats, window: tuple[slice, slice]) -> Floats:
    """Vectors (3, n) of a window, or (3, 1) where all rays share one."""
    rows, columns = window
    if values.shape[1:] == (1, 1):
        return values.reshape(3, 1)
    return values[:, rows, columns].reshape(3, -1)


def _at(values: Floats, places: Ints) -> Floats:
    return values if values.shape[1] == 1 else np.take(values, places, axis=1)
