"""Rays against the ground: the carriageway, and the kerbs up to everything beside it."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.synthetic.casting import GROUND, KERB, Hits
from hma_depth_ros.synthetic.rays import Floats, Rays
from hma_depth_ros.synthetic.street import Street


def cast_ground(rays: Rays, street: Street, hits: Hits) -> None:
    """Enter the ground into `hits` wherever it is nearer than what is there.

    The ground is z = 0 on the carriageway and z = kerb height beside it, with vertical kerbs. The
    rays' origin must be above both.
    """
    down = np.flatnonzero(rays.directions[2] < -1e-6)
    height = np.float32(rays.origin[2])
    fall = -np.reciprocal(np.take(rays.directions[2], down))
    to_top = (height - np.float32(street.kerb_height)) * fall
    # Most rays have met something before they could meet the ground.
    open_ = to_top < np.take(hits.t, down)
    down, fall, t = down[open_], fall[open_], to_top[open_]
    directions = rays.flat_directions(down)
    face = np.full(t.shape, GROUND, np.int32)
    if street.kerb_height > 0:
        excess = _beyond_kerb(rays, street, directions, t)
        low = np.flatnonzero(excess < 0)
        directions, to_top, excess = directions[:, low], t[low], excess[low]
        to_road = height * fall[low]
        excess_road = _beyond_kerb(rays, street, directions, to_road)
        t[low] = to_road
        kerb = np.flatnonzero(excess_road > 0)
        t[low[kerb]] = _kerb(
            rays,
            street,
            directions[:, kerb],
            (to_top[kerb], to_road[kerb]),
            (excess[kerb], excess_road[kerb]),
        )
        face[low[kerb]] = KERB
    nearer = t < hits.t.ravel()[down]
    hits.t.ravel()[down[nearer]] = t[nearer]
    hits.face.ravel()[down[nearer]] = face[nearer]


def _beyond_kerb(rays: Rays, street: Street, directions: Floats, t: Floats) -> Floats:
    """How far (metres) the points at t are beyond the edge of the carriageway."""
    x = np.float32(rays.origin[0]) + t * directions[0]
    y = np.float32(rays.origin[1]) + t * directions[1]
    return np.abs(street.lateral(x, y)) - np.float32(street.half_width)


def _kerb(
    rays: Rays,
    street: Street,
    directions: Floats,
    ends: tuple[Floats, Floats],
    excess: tuple[Floats, Floats],
) -> Floats:
    """Where rays pass the kerb's face: false position between kerb top and road, two steps.

    The way between the ends is short and the kerb nearly straight there: one step is exact on a
    straight street, the second takes the bend to well under a millimetre.
    """
    low, high = ends
    below, above = excess
    for _ in range(2):
        t = low + (high - low) * (-below / (above - below))
        value = _beyond_kerb(rays, street, directions, t)
        low, below = np.where(value < 0, t, low), np.where(value < 0, value, below)
        high, above = np.where(value < 0, high, t), np.where(value < 0, above, value)
    return np.asarray(t, np.float32)
