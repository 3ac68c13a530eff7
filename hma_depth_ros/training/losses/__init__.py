"""What a training step minimises, and its parts."""
