"""KITTI's raw recordings, depth annotations and odometry."""
