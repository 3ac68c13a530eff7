"""Names of the topics that depth goes out on: the node's, and those of processed bags."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # with it comes PyTorch, for seconds of which players and recorders have no use
    from hma_depth_ros.inference.prediction import Output

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


#: What is in each, for people: docs/node.md has the table. `N` stands for the reductions.
CONTENTS = {
    DEPTH: "metres along the optical axis (REP 118); NaN where there is no depth, +Inf beyond "
    "`max_range` (REP 117). 32FC1, or 16UC1 in millimetres, 0 for none",
    COMPRESSED_DEPTH: "the depth image in image_transport's code, a tenth of the size: exact to "
    "5 mm at 10 m and 0.3 m at 80 m ([bags](bags.md#compressed-depth))",
    INFO: "of the depth image: same stamp, frame and size",
    POINTS: "organised, x y z rgb as FLOAT32, NaN where there is no depth or a filter leaves the "
    "point out (`edge_filter` does by default); else the cloud that depth_image_proc makes of the "
    "same messages",
    CONFIDENCE: "probability that depth is within a factor of 1.25 of the true one, by the "
    "network's estimate of its error; only of networks that have one (the bundled one does)",
    "attention/scale_N": "weight of each scale (of most networks 8, 4, 2 and 1), equations "
    "1 to 4; they sum to 1 in every pixel",
    DEPTH_COLOR: "rgb8, for people: depth as colour, near is warm",
    ATTENTION_COLOR: "rgb8, for people: which scale won where",
}


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
