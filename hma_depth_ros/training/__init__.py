"""Training of the network. Knows data and network, not ROS."""
