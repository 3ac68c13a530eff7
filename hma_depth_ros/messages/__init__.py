"""ROS messages to arrays and back, for rclpy and bags alike; knows neither of them."""
