"""Run the accuracy monitor: depth and LiDAR in; rolling AbsRel, δ1, RMSE, SILog and scale out."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it; ROS arguments as everywhere (`--ros-args -p window:=100`)."""
    from hma_depth_ros.ros.accuracy.monitor_parameters import MonitorParameters
    from hma_depth_ros.ros.usage import check_arguments

    check_arguments(
        "accuracy_monitor",
        argv or (),
        description=__doc__ or "",
        topics=("depth/image", "depth/camera_info", "lidar"),
        parameters=MonitorParameters,
    )
    from hma_depth_ros.ros.accuracy.node import AccuracyMonitor
    from hma_depth_ros.ros.spin import run_node

    run_node("accuracy_monitor", lambda _: AccuracyMonitor(), argv or ())
    return 0
