"""Names of the topics that depth goes out on: the node's, and those of processed bags."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # with it comes PyTorch, for seconds of which players and recorders have no use
    from hma_depth_ros.inference.predictor import Output

#: Relative to the namespace of the node, or of a bag's camera.
DEPTH, INFO, POINTS = "depth/image", "depth/camera_info", "points"
#: The depth image once more, in image_transport's code.
COMPRESSED_DEPTH = f"{DEPTH}/compressedDepth"
#: Likewise.
CONFIDENCE = "confidence"
#: Likewise: pictures for people.
DEPTH_COLOR, ATTENTION_COLOR = "depth/color", "attention/color"


def attention_topic(reduction: int) -> str:
    """Topic of the mask of scale H/reduction."""
    return f"attention/scale_{reduction}"


def needed_outputs(topics: Set[str], masks: Collection[str]) -> set[Output]:
    """What a predictor has to compute for these topics, of which `masks` are those of the masks."""
    needed: set[Output] = set()
    if topics & {DEPTH, COMPRESSED_DEPTH, DEPTH_COLOR}:
        needed.add("depth")
    if POINTS in topics:
        needed.add("points")
    if CONFIDENCE in topics:
        needed.add("confidence")
    if topics & {*masks, ATTENTION_COLOR}:
        needed.add("attention")
    return needed
