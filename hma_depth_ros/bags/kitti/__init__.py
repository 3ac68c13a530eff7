"""KITTI drives as bags."""
