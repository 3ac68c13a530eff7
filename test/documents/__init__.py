"""Code blocks of the documents are run, or at least looked at."""
