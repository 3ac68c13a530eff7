"""Bags as other programs, and accidents, leave them."""
