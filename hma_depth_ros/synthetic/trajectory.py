"""How the camera moves along the street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.geometry.rotation import matrix_from_angles
from hma_depth_ros.synthetic.style import Style

Doubles = npt.NDArray[np.float64]

SPEED = 10.0  #: metres per second along the street
#: Optical axes (REP 103: x right, y down, z forward) in a body frame x forward, y left, z up.
_OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Trajectory:
    """A car in its lane: it weaves a little, and pitches and rolls on its springs."""

    style: Style
    pitch: float  #: rad, how the camera is mounted; positive looks down
    phases: tuple[float, float, float]  #: of weaving, pitching, rolling
    height: float = USUAL_MOUNT.height  #: metres of the camera above the road

    @classmethod
    def random(
        cls, rng: np.random.Generator, style: Style, mount: Mount = USUAL_MOUNT
    ) -> Trajectory:
        """Draw what differs from one drive to the next, about the mount of the camera."""
        weave, pitch, roll = rng.uniform(0, 2 * np.pi, 3).tolist()
        slip = float(rng.normal(0, 0.006))
        return cls(style, mount.pitch + slip, (weave, pitch, roll), mount.height)

    def x(self, time: float) -> float:
        """Place on the street, in metres along the world's x axis, at `time` in seconds."""
        return SPEED * time

    def camera_to_world(self, time: float) -> Doubles:
        """4x4 pose of the optical frame at `time` in seconds; the frame is level on average."""
        weave, pitch_phase, roll_phase = self.phases
        lateral = self.style.ego_lateral + 0.15 * np.sin(0.4 * time + weave)
        drift = float(np.arctan(0.15 * 0.4 * np.cos(0.4 * time + weave) / SPEED))
        body = self.style.street.pose(self.x(time), lateral, z=self.height, yaw=drift)
        pitch = self.pitch + 0.0035 * np.sin(5.1 * time + pitch_phase)
        roll = 0.0040 * np.sin(3.3 * time + roll_phase)
        body[:3, :3] @= matrix_from_angles(roll, pitch, 0.0)
        return np.asarray(body @ _OPTICAL)
