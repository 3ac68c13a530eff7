"""Bags without a ROS graph: reading, writing, and KITTI drives as bags."""
