"""Bags, images and the running node in Rerun's viewer; the one layer that knows rerun-sdk."""
