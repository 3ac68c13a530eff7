"""Bags of a car with a LiDAR as a data set to train on."""
