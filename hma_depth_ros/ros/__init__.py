"""The ROS 2 side: messages, parameters, the depth node. Knows inference, not training."""
