"""Names of the topics that depth goes out on: the node's, and those of processed bags."""

from __future__ import annotations

DEPTH, INFO, POINTS = "depth/image", "depth/camera_info", "points"
DEPTH_COLOR, ATTENTION_COLOR = "depth/color", "attention/color"


def attention_topic(reduction: int) -> str:
    """Topic of the mask of scale H/reduction."""
    return f"attention/scale_{reduction}"
