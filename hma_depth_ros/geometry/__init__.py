"""Pinhole geometry in NumPy: intrinsics through crop and resize, and back-projection."""
