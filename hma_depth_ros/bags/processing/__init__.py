"""A bag in, a bag with depth out."""
