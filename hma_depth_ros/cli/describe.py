"""Print a model's parts and parameter counts, or what a checkpoint file holds."""
