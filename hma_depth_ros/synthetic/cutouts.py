"""Holes in surfaces: gaps between leaves and between pickets.

Holes are decided where a ray meets the surface, from the place on the object alone. A ray through
a hole goes on to what is behind, for the camera, the LiDAR and the sunlight alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.materials import Cutout
from hma_depth_ros.synthetic.noise import Floats, noise

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PICKET_PITCH = 0.14  #: metres from one picket to the next


def holes(cutout: Cutout, local: Floats, normal: Floats, dimensions: Floats, seed: Ints) -> Bools:
    """Which of n places are holes.

    Args:
        cutout: kind of surface.
        local: (3, n) places in their objects' frames.
        normal: (3, n) or (3, 1) outward normals in their objects' frames, of any length.
        dimensions: (8, n) or (8, 1) of the materials.
        seed: (n) or (1) of the materials.

    """
    if cutout == Cutout.PICKETS:
        rail = np.abs(np.abs(local[2] / dimensions[0] - 0.5) - 0.3) < 0.04
        return np.asarray((np.mod(local[0], PICKET_PITCH) > 0.6 * PICKET_PITCH) & ~rail)
    u, v = flatten(local, normal, seed)
    leaves = noise(u, v, 0.42) + 0.7 * noise(u + 3.1, v, 0.15) + 0.7 * noise(u + 1.7, v, 0.055)
    if cutout == Cutout.LEAVES:
        return np.asarray(leaves < -0.55)
    from_centre = local - dimensions[:3]
    share = (from_centre * from_centre).sum(axis=0) / (dimensions[3] * dimensions[3])
    return np.asarray(leaves < 3.4 * share - 1.2)


def flatten(local: Floats, normal: Floats, seed: Ints) -> tuple[Floats, Floats]:
    """Texture coordinates (n) in metres of places (3, n): seen along the normal's main axis.

    Neighbouring views do not join up, which on leaves, bark and stones nobody sees. The sides of a
    thing, and things of different seed, look at different parts of a texture.
    """
    size = np.abs(normal)
    along_x = (size[0] >= size[1]) & (size[0] >= size[2])
    along_z = (size[2] > size[0]) & (size[2] > size[1])
    u = np.where(along_x, local[1], local[0])
    v = np.where(along_z, local[1], local[2])
    view = along_x * np.float32(3.7) + along_z * np.float32(7.4)
    view += (normal.sum(axis=0) > 0) * np.float32(11.1)
    return u + view + np.float32(0.618) * (seed % 1009).astype(np.float32), v
