"""Pinhole geometry in NumPy: intrinsics through crop, resize and padding, and back-projection."""
