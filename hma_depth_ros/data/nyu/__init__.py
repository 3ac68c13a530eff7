"""NYU Depth v2."""
