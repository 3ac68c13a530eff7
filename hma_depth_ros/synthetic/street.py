"""The street itself: where its middle runs, and what lies left and right of it.

World frame (REP 103): x along the street, y left, z up, metres; z = 0 is the carriageway. Places
beside the street are told by x, and by the signed distance to the left of the middle, "lateral".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Real = TypeVar("Real", float, Floats, Doubles)


Side = Literal[-1, 1]  #: right, left
SIDES: tuple[Side, Side] = (-1, 1)


class Zone(IntEnum):
    """Strips of ground from the middle outwards."""

    ROAD = 0
    KERBSTONE = 1
    PAVEMENT = 2
    VERGE = 3
    LAND = 4


@dataclass(frozen=True)
class Street:
    """Course and cross-section; widths in metres, of each side."""

    bends: tuple[tuple[float, float, float], ...]  #: amplitude (m), wavelength (m), phase (rad)
    half_width: float  #: of the carriageway
    kerb_height: float  #: 0: the road has no kerb
    kerb_width: float
    pavement: float
    verge: float

    def middle(self, x: Real) -> Real:
        """Lateral shift y of the street's middle at x."""
        y = x * 0
        for amplitude, wavelength, phase in self.bends:
            # NumPy's sine of a number would be a float64, and make all of x that.
            start = math.sin(phase)
            y = y + amplitude * (np.sin(x * (2 * np.pi / wavelength) + phase) - start)
        return y

    def slope(self, x: Real) -> Real:
        """Derivative of `middle`: the tangent of the heading."""
        slope = x * 0
        for amplitude, wavelength, phase in self.bends:
            turn = 2 * np.pi / wavelength
            slope = slope + amplitude * turn * np.cos(x * turn + phase)
        return slope

    def heading(self, x: float) -> float:
        """Direction of the street at x, in rad from the x axis towards y."""
        return float(np.arctan(self.slope(x)))

    def lateral(self, x: Floats, y: Floats) -> Floats:
        """Signed distance of (x, y) to the left of the middle, to first order in curvature."""
        slope = self.slope(x)
        return (y - self.middle(x)) / np.sqrt(1 + slope * slope)

    def pose(self, x: float, lateral: float, *, z: float = 0.0, yaw: float = 0.0) -> Doubles:
        """4x4 pose of a thing beside the middle at x, its x axis along the street at yaw 0."""
        heading = self.heading(x)
        pose = rotation_z(heading + yaw)
        pose[:3, 3] = (
            x - lateral * np.sin(heading),
            self.middle(x) + lateral * np.cos(heading),
            z,
        )
        return pose

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Distance from the middle at which each zone but the last ends."""
        kerb = self.half_width + self.kerb_width
        return (self.half_width, kerb, kerb + self.pavement, kerb + self.pavement + self.verge)

    def zone(self, lateral: Floats) -> npt.NDArray[np.int64]:
        """`Zone` of each place."""
        return np.searchsorted(np.array(self.edges, np.float32), np.abs(lateral), side="right")


def rotation_z(angle: float) -> Doubles:
    """4x4 rotation about the vertical, counter-clockwise from above."""
    pose = np.eye(4)
    c, s = np.cos(angle), np.sin(angle)
    pose[:2, :2] = [[c, -s], [s, c]]
    return pose
