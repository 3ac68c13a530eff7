"""Run the depth node: image in; depth, attention masks and a point cloud out."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it; ROS arguments as everywhere (`--ros-args -p device:=cpu`)."""
    from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
    from hma_depth_ros.ros.usage import check_arguments

    check_arguments(
        "depth_node",
        argv or (),
        description=__doc__ or "",
        topics=("image or image/compressed", "camera_info"),
        parameters=DepthNodeParameters,
    )
    from hma_depth_ros.ros.depth_node.node import DepthNode
    from hma_depth_ros.ros.spin import run_node

    run_node("depth_node", lambda stop: DepthNode(stop=stop), argv or ())
    return 0
