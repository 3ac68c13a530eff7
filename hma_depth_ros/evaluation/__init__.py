"""Scoring depth against ground truth. Knows neither ROS nor training."""
