"""Playing and recording bags in the graph."""
