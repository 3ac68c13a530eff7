"""Run the depth node for several cameras, in one process and with one copy of the network."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it; ROS arguments as everywhere (`-p cameras:="[front, rear]"`)."""
    from hma_depth_ros.ros.depth_node.rig_parameters import RigParameters
    from hma_depth_ros.ros.usage import check_arguments

    check_arguments(
        "rig_node",
        argv or (),
        description=__doc__ or "",
        topics=("CAMERA/image or CAMERA/image/compressed", "CAMERA/camera_info of each camera"),
        parameters=RigParameters,
    )
    from hma_depth_ros.ros.depth_node.rig_node import RigNode
    from hma_depth_ros.ros.spin import run_node

    run_node("rig_node", lambda stop: RigNode(stop=stop), argv or ())
    return 0
