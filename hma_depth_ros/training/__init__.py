"""Training of the network. Knows data, network and evaluation, not ROS."""
