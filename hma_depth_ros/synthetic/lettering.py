"""Writing that nobody can read: strokes that have the density and rhythm of letters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.synthetic.noise import Bools, Floats, cell_hash

_ASPECT = 0.72  #: width of a letter with its gap, per height


def letters(
    along: Floats,
    up: Floats,
    height: npt.NDArray[np.floating] | float,
    *keys: npt.NDArray[np.generic] | int,
) -> Bools:
    """Which places (n) are ink of one line of letters.

    Args:
        along: (n) metres in the direction of writing; the line goes on for ever.
        up: (n) metres above the foot of the letters.
        height: of the letters, metres.
        keys: what is written.

    """
    place, v = along / (height * np.float32(_ASPECT)), up / height
    cell = np.floor(place)
    u = place - cell
    chance = [cell_hash(cell, *keys, stroke) for stroke in range(5)]
    ink = u < 0.20
    ink |= (u > 0.56) & (chance[0] < 0.55)
    ink |= (v > 0.82) & (chance[1] < 0.65)
    ink |= (np.abs(v - 0.5) < 0.09) & (chance[2] < 0.6)
    ink |= (v < 0.18) & (chance[3] < 0.55)
    return np.asarray(ink & (u < 0.76) & (v > 0) & (v < 1) & (chance[4] < 0.88))
