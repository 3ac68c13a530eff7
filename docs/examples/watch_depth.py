"""Subscribe to depth and masks: a callback for each frame, with all messages of one stamp.

    python3 docs/examples/watch_depth.py [--ros-args -r __ns:=/front ...]

For every frame of a running `depth_node` it prints, for instance:

    12.300000000: nearest 4.23 m; weight of the scales 1/8 0.27, 1/4 0.30, 1/2 0.20, 1/1 0.23

message_filters, whose TimeSynchronizer joins topics by stamp, comes with a ROS distribution and not
as a wheel. `hma_depth_ros.ros.standins` stands in where the import fails, with the same names; for
both the messages come by a subscription of the node's own, which hands them on (`signalMessage`).
"""

from __future__ import annotations

import sys

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.depth_topics import DEPTH, attention_topic
from hma_depth_ros.messages.image import image_array
from hma_depth_ros.messages.stamps import header_stamp, stamp_text
from hma_depth_ros.ros.spin import run_node

try:
    from message_filters import SimpleFilter, TimeSynchronizer
except ImportError:
    from hma_depth_ros.ros.standins import SimpleFilter, TimeSynchronizer

SCALES = (8, 4, 2, 1)
QUEUE = 5  #: frames of which some messages are still on their way


class WatchDepth(Node):
    """Listens to five topics. Of what it does not listen to, nothing is computed."""

    def __init__(self) -> None:
        super().__init__("watch_depth")
        inputs = []
        for topic in (DEPTH, *map(attention_topic, SCALES)):
            inputs.append(SimpleFilter())
            self.create_subscription(
                Image, topic, inputs[-1].signalMessage, QoSProfile(depth=QUEUE)
            )
        self.frames = TimeSynchronizer(inputs, QUEUE)
        self.frames.registerCallback(self.show)

    def show(self, depth: Image, *masks: Image) -> None:
        """Print a line for a frame: depth (H, W) in metres, masks (H, W) that sum to 1."""
        nearest = np.nanmin(depth_array(depth))
        shares = [np.nanmean(image_array(mask)) for mask in masks]
        told = ", ".join(f"1/{s} {share:.3f}" for s, share in zip(SCALES, shares, strict=True))
        stamp = stamp_text(header_stamp(depth))
        print(f"{stamp}: nearest {nearest:.3f} m; weight of the scales {told}", flush=True)


if __name__ == "__main__":
    run_node("watch_depth", lambda stop: WatchDepth(), sys.argv[1:])
