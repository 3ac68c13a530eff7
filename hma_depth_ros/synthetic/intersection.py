"""Where rays enter a body: convex polyhedron, ellipsoid, cylinder or disc.

Rays are points ``start + t direction``; starts and directions are (3, n), or (3, 1) where all rays
share one. Round bodies are those that an affine map takes to the unit ball, disc or cylinder; a map
keeps t.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.solids import Shape

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# Members of an IntEnum are slow to look up in inner loops.
_ELLIPSOID, _CYLINDER, _DISC = int(Shape.ELLIPSOID), int(Shape.CYLINDER), int(Shape.DISC)
_MISS = np.float32(np.inf)


def enter_polyhedron(
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
        if not (above > 0).any():
            return np.full(directions.shape[1], _MISS)  # seen from inside
        nearness = (normals / -above[:, None]) @ directions
        enter = nearness[above > 0].min(axis=0)
        leave = nearness[above < 0].max(axis=0, initial=0)
        return np.where(enter > leave, 1 / enter, _MISS)
    approach = normals @ directions[:, 0]
    approach = np.where(approach == 0, np.float32(1e-6), approach)
    t = (normals / -approach[:, None]) @ starts - (distances / approach)[:, None]
    enter = t[approach < 0].max(axis=0, initial=0)
    leave = t[approach > 0].min(axis=0, initial=np.inf)
    return np.where(enter < leave, enter, _MISS)


def entered_face(normals: Floats, distances: Floats, starts: Floats, directions: Floats) -> Ints:
    """Plane (n) through which rays that meet a polyhedron enter it."""
    approach = normals @ directions
    t = -(normals @ starts + distances[:, None]) / approach
    return np.asarray(np.where(approach < 0, t, -np.inf).argmax(axis=0))


def enter_round(shape: int, unit: Floats, starts: Floats, directions: Floats) -> Floats:
    """Parameter (n) at which rays enter an ellipsoid, cylinder or disc, +inf for a miss.

    `unit` is one map for each ray (3, 4, n), or one for all (3, 4, 1).
    """
    # Camera and LiDAR are at the origin, from where all that moves a point is the map's offset.
    origin = unit[:, 3] if starts.shape[1] == 1 and not starts.any() else moved(unit, starts)
    direction = turned(unit, directions)
    if shape == _DISC:
        t = -origin[2] / direction[2]
        across = origin[:2] + t * direction[:2]
        return np.where((_squared(across) < 1) & (t > 0), t, _MISS)
    round_axes = 3 if shape == _ELLIPSOID else 2
    o, d = origin[:round_axes], direction[:round_axes]
    a = _squared(d)
    closest = -np.einsum("ij,ij->j", *np.broadcast_arrays(o, d)) / a
    # The textbook's discriminant b^2 - a (o.o - 1) cancels for distant bodies; this does not.
    half = np.sqrt((1 - _squared(o + closest * d)) / a)  # NaN where the ray passes by
    enter, leave = closest - half, closest + half
    if shape == _CYLINDER:
        forward = np.sign(direction[2])
        enter = np.maximum(enter, (-forward - origin[2]) / direction[2])
        leave = np.minimum(leave, (forward - origin[2]) / direction[2])
    return np.where((enter < leave) & (enter > 0), enter, _MISS)


def enter_large_ellipsoid(unit: Floats, directions: Floats) -> Floats:
    """Parameter (n) at which rays from one point enter an ellipsoid that fills a large window.

    The textbook's way, a third of the work: in a large window the body is near enough for it.
    """
    start = unit[:, 3]
    turned = np.concatenate([unit[:, :3], (start @ unit[:, :3])[None]]) @ directions
    a, b = _squared(turned[:3]), turned[3]
    inside = b * b - a * (start @ start - 1)
    enter = -(b + np.sqrt(inside)) / a
    return np.where(enter > 0, enter, _MISS)  # NaN, a miss, is not


def _squared(vectors: Floats) -> Floats:
    """Squared lengths (n) of vectors (m, n)."""
    return np.asarray(np.einsum("ij,ij->j", vectors, vectors))


def turned(maps: Floats, vectors: Floats) -> Floats:
    """Vectors (3, n) after the linear parts of affine maps (3, 4, n), or of one (3, 4, 1)."""
    if maps.shape[2] == 1:
        return maps[:, :3, 0] @ vectors
    out = np.empty((3, maps.shape[2]), np.float32)
    x, y, z = vectors
    for axis, (along_x, along_y, along_z, *_) in enumerate(maps):
        np.multiply(along_x, x, out=out[axis])
        out[axis] += along_y * y
        out[axis] += along_z * z
    return out


def moved(maps: Floats, points: Floats) -> Floats:
    """Points (3, n) after affine maps (3, 4, n), or after one (3, 4, 1)."""
    return turned(maps, points) + maps[:, 3]
