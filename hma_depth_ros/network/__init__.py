"""The HMA-Depth network in PyTorch (Niu et al., MVA 2021). Knows neither ROS nor data sets."""
