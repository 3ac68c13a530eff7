"""The ROS 2 side: messages, parameters, the depth node. Knows inference, not training.

Importing any part of it first sees that there is a ROS 2 which will do.
"""

from hma_depth_ros.ros.distribution import check_ros

check_ros()
