"""The depth module and the attention module of one scale."""

from __future__ import annotations

import math

from torch import Tensor, nn

from hma_depth_ros.network.blocks import ConvNorm
from hma_depth_ros.network.depth_mapping import share_of
from hma_depth_ros.network.model_config import ModelConfig

#: What an untrained depth module answers, as a share of max_depth: 12 m of 80 m, about the median
#: of driving data, so that the first steps of training need not bring the whole image down.
INITIAL_DEPTH_SHARE = 0.15

#: Within which its sigmoid starts, whatever that is in metres: at the ends it would hardly learn,
#: and beyond them, as where min_depth is more than that share, there is no logit.
_INITIAL_SIGMOID = 0.05, 0.95

#: Ends of the estimated error of log depth: 1 % and a factor of e.
UNCERTAINTY_RANGE = 0.01, 1.0


class SigmoidHead(nn.Module):
    """Features (B, channels, h, w) -> (B, 1, h, w) in (0, 1), float32 under autocast too.

    `hidden` is the width of one convolution before the last; None leaves it out (full resolution).
    `initial` is the untrained answer: it sets the last bias.
    """

    def __init__(self, channels: int, *, hidden: int | None, initial: float) -> None:
        super().__init__()
        self.features = nn.Identity() if hidden is None else ConvNorm(channels, hidden)
        self.logit = nn.Conv2d(hidden or channels, 1, 3, padding=1)
        self.initial = initial

    def reset_bias(self) -> None:
        """Set the last bias so that zero features give `initial`."""
        assert self.logit.bias is not None
        nn.init.constant_(self.logit.bias, math.log(self.initial / (1 - self.initial)))

    def forward(self, x: Tensor) -> Tensor:
        logit: Tensor = self.logit(self.features(x))
        return logit.float().sigmoid()


def depth_head(channels: int, *, hidden: int | None, config: ModelConfig) -> SigmoidHead:
    """Depth module D^m_s: what its sigmoid stands for is told by `depth_mapping.py`."""
    low, high = _INITIAL_SIGMOID
    initial = share_of(INITIAL_DEPTH_SHARE * config.max_depth, config)
    return SigmoidHead(channels, hidden=hidden, initial=min(max(low, initial), high))


def attention_head(channels: int, *, hidden: int, remaining_scales: int) -> SigmoidHead:
    """Attention module A_s: the share of what coarser scales have left over.

    Starts at 1 / remaining_scales, by which every scale begins with an equal mask.
    """
    return SigmoidHead(channels, hidden=hidden, initial=1 / remaining_scales)


class UncertaintyHead(nn.Module):
    """Features (B, channels, h, w) -> sigma (B, 1, h, w), the error of the depth's logarithm.

    About two thirds of the pixels are to have |ln D - ln D*| below sigma.
    """

    def __init__(self, channels: int, *, hidden: int) -> None:
        super().__init__()
        self.share = SigmoidHead(channels, hidden=hidden, initial=0.5)

    def forward(self, x: Tensor) -> Tensor:
        low, high = UNCERTAINTY_RANGE
        share: Tensor = self.share(x)
        return low * (math.log(high / low) * share).exp()
