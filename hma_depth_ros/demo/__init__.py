"""The demonstration: replayer, depth node and recorder as three processes, and what came out."""
