"""Metric depth from one camera for ROS 2: the HMA-Depth network as node, library and tools."""

__version__ = "0.1.0"
