"""Lists of frames, and where their files lie."""
