"""Depth on disk, and depth from a LiDAR."""
