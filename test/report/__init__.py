"""Web pages of what commands came to."""
