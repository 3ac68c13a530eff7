"""From a depth module's sigmoid to metres, and back.

The paper leaves the mapping open; BTS takes shares of the largest depth. With `logarithmic` equal
steps of the sigmoid are equal *ratios* of depth, which is what eq. 6 measures; with `inverse` they
are equal steps of disparity.
"""

from __future__ import annotations

import math

from torch import Tensor

from hma_depth_ros.network.model_config import ModelConfig


def to_metres(share: Tensor, config: ModelConfig) -> Tensor:
    """Depth in metres of shares in (0, 1); 1 is max_depth, 0 is min_depth (`linear`: 0 m)."""
    near, far = config.min_depth, config.max_depth
    if config.depth_mapping == "logarithmic":
        return near * (math.log(far / near) * share).exp()
    if config.depth_mapping == "inverse":
        return 1 / (1 / near + (1 / far - 1 / near) * share)
    return far * share


def share_of(metres: float, config: ModelConfig) -> float:
    """The share that `to_metres` makes `metres` of, for a depth between both ends."""
    near, far = config.min_depth, config.max_depth
    if config.depth_mapping == "logarithmic":
        return math.log(metres / near) / math.log(far / near)
    if config.depth_mapping == "inverse":
        return (1 / metres - 1 / near) / (1 / far - 1 / near)
    return metres / far
