"""The accuracy monitor's parameters; docs/bags.md lists the same ones for users."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rclpy.node import Node

from hma_depth_ros.ros import parameter_table
from hma_depth_ros.ros.parameter_table import parameter


@dataclass(frozen=True)
class MonitorParameters:
    """Values of all parameters at the start."""

    window: int = parameter(
        50, "Frames that the figures are means of.", limits=(1, 100_000), read_only=True
    )
    max_difference: float = parameter(
        0.05,
        "Seconds between the stamps of depth and LiDAR.",
        limits=(0.0, 10.0),
        read_only=True,
    )
    protocol: str = parameter(
        "full", "Where depth is scored: bts, kb_garg, eigen, full.", read_only=True
    )
    cap: float = parameter(
        80.0,
        "Metres beyond which the LiDAR does not count.",
        limits=(1.0, 1000.0),
        read_only=True,
    )
    occlusion_filter: bool = parameter(
        True, "Leave out LiDAR returns that the camera cannot see.", read_only=True
    )
    warn_abs_rel: float = parameter(
        0.3, "Mean AbsRel above which log and diagnostics warn.", limits=(0.0, 100.0)
    )
    log_period: float = parameter(
        10.0, "Seconds between two lines of figures in the log; 0 is none.", limits=(0.0, 86_400.0)
    )
    hardware_id: str = parameter(
        "", "Of the diagnostics: what they are about, such as the camera's serial number."
    )
    lidar_to_camera: tuple[float, ...] = parameter(
        (0.0,),
        "LiDAR in the camera's optical frame, instead of tf: x y z qx qy qz qw.",
        read_only=True,
    )
    calibration: str = parameter(
        "", "Folder of KITTI's calibration files, instead of tf.", read_only=True
    )
    camera: int = parameter(
        2, "Number of the camera in these files.", limits=(0, 3), read_only=True
    )


def declare(node: Node) -> MonitorParameters:
    """Declare every parameter on `node`; return the values.

    Raises:
        ParameterError: a value has the wrong type or is out of range.

    """
    parameter_table.declare(node, MonitorParameters)
    return read(node)


def read(node: Node) -> MonitorParameters:
    """Read the current values."""
    return MonitorParameters(
        **{f.name: node.get_parameter(f.name).value for f in fields(MonitorParameters)}
    )
