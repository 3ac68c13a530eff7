"""Look of a surface before light falls on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hma_depth_ros.synthetic.noise import Floats


@dataclass(frozen=True, eq=False)
class Paint:
    """n places."""

    albedo: Floats  #: (3, n) linear
    gloss: Floats  #: (n) share of light mirrored at normal incidence
    leafy: bool = False  #: lets light through
    normal: Floats | None = None  #: (3, n) to be lit with, where it is not the surface's own


def rgb(red: float, green: float, blue: float) -> Floats:
    """Linear colour (3, 1) of an sRGB one."""
    return np.array([[red], [green], [blue]], np.float32) ** np.float32(2.2)


def matt(albedo: Floats) -> Paint:
    """Paint that mirrors nothing, of colours (3, n)."""
    return Paint(albedo.astype(np.float32), np.zeros(albedo.shape[1], np.float32))
