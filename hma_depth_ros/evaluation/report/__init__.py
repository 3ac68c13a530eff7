"""What an evaluation came to: tables, files, pictures."""
