"""From frames on disk to batches of crops."""
