"""Names of the message types that depth comes from and goes out as."""

from __future__ import annotations

#: Images as arrays of pixels.
IMAGE = "sensor_msgs/msg/Image"
#: Images as files, such as JPEG.
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
#: Calibrations.
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
#: Clouds, of LiDAR and depth alike.
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
IMU = "sensor_msgs/msg/Imu"
NAV_SAT_FIX = "sensor_msgs/msg/NavSatFix"
ODOMETRY = "nav_msgs/msg/Odometry"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
