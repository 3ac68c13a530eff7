"""Holes in surfaces: gaps between leaves and between pickets.

Holes are decided where a ray meets the surface, from the place on the object alone. A ray through
a hole goes on to what is behind, for the camera, the LiDAR and the sunlight alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.synthetic.materials import Cutout
from hma_depth_ros.data.synthetic.noise import Floats, noise

PICKET_PITCH = 0.14  #: metres from one picket to the next


def is_hole(
    cutout: Cutout, local: Floats, normal: Floats, dimensions: Floats, seed: int
) -> npt.NDArray[np.bool_]:
    """Whether the places `local` (3, n) with outward `normal` (3, n) are holes.

    Both are in the object's frame; `dimensions` (8) are the material's.
    """
    if cutout == Cutout.PICKETS:
        rails = np.abs(np.abs(local[2] / dimensions[0] - 0.5) - 0.3) < 0.04
        return np.asarray((np.mod(local[0], PICKET_PITCH) > 0.6 * PICKET_PITCH) & ~rails)
    u, v = flatten(local, normal, seed)
    leaves = noise(u, v, 0.42) + 0.7 * noise(u + 3.1, v, 0.15) + 0.7 * noise(u + 1.7, v, 0.055)
    if cutout == Cutout.SPRIGS:
        from_centre = local - dimensions[:3, None]
        share = (from_centre * from_centre).sum(axis=0) / (dimensions[3] * dimensions[3])
        return np.asarray(leaves < 3.4 * share - 1.2)
    return np.asarray(leaves < -0.55)


def flatten(
    local: Floats, normal: Floats, seed: int | npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Texture coordinates (n) in metres of places (3, n): seen along the normal's main axis.

    Neighbouring views do not join up, which on leaves, bark and stones nobody sees. The six sides
    of a thing, and things of different seed, look at different parts of a texture.
    """
    main = np.abs(normal).argmax(axis=0)
    sign = np.take_along_axis(normal, main[None], axis=0)[0] > 0
    u = np.where(main == 0, local[1], local[0])
    v = np.where(main == 2, local[1], local[2])
    shift = np.float32(3.7) * (main * 2 + sign) + np.float32(0.618) * (np.asarray(seed) % 1009)
    return u + shift.astype(np.float32), v
