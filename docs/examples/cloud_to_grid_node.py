"""The node's cloud as nav_msgs/OccupancyGrid on `grid`: `cloud_to_grid.py` between two topics.

    python3 docs/examples/cloud_to_grid_node.py --ros-args -p frame:=base_footprint \
        -p camera_height:=1.65 -p camera_pitch:=0.0

`nav_msgs` is a package that hma_depth_ros itself does without: apt has it (ros-jazzy-nav-msgs), and
there are wheels (ros-kilted-nav-msgs). The grid is latched, as Nav2's static layer expects a map
(`map_subscribe_transient_local`). `frame` is that of the road below the camera, x forward; with a
tf2 tree take the camera's place from there instead. It logs the line of `cloud_to_grid.py`.
"""

from __future__ import annotations

import sys
from array import array

from cloud_to_grid import Grid, occupancy, summary
from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2

from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.ros.spin import run_node


class GridNode(Node):
    """A grid for each cloud."""

    def __init__(self) -> None:
        super().__init__("cloud_to_grid")
        self.frame: str = self.declare_parameter("frame", "base_footprint").value
        height, pitch = (
            self.declare_parameter(f"camera_{name}", value).value
            for name, value in (("height", 1.65), ("pitch", 0.0))
        )
        self.mount, self.grid = Mount(height, pitch), Grid()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.publisher = self.create_publisher(OccupancyGrid, "grid", latched)
        self.create_subscription(PointCloud2, "points", self.publish, QoSProfile(depth=1))

    def publish(self, cloud: PointCloud2) -> None:
        """Make and publish the grid of a cloud."""
        cells = occupancy(cloud_xyz(cloud), self.grid, self.mount)
        message = OccupancyGrid()
        message.header.stamp, message.header.frame_id = cloud.header.stamp, self.frame
        message.info.map_load_time = cloud.header.stamp
        message.info.resolution = self.grid.resolution
        message.info.height, message.info.width = cells.shape
        message.info.origin.position.x, message.info.origin.position.y = self.grid.origin
        message.data = array("b", cells.tobytes())  # an array: a list is walked item by item
        self.publisher.publish(message)
        self.get_logger().info(summary(cells, self.grid))


if __name__ == "__main__":
    run_node("cloud_to_grid", lambda stop: GridNode(), sys.argv[1:])
