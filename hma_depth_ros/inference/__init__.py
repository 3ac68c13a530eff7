"""From a NumPy image to depth, masks and points: what the node and the offline tools share."""
