"""The accuracy monitor: depth against LiDAR while the car drives."""
