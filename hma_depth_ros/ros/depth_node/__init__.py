"""The depth node."""
