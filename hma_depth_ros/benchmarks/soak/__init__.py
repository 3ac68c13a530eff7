"""Hours of the depth node's process, watched: `soak`."""
