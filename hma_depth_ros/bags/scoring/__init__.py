"""Depth images of a bag against ground truth."""
