"""What comes from outside, damaged in every way: see docs/security.md."""
