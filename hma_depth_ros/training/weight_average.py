"""An exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from hma_depth_ros.network.model import HmaDepth


class MovingAverage(AveragedModel):
    """Average of weights and statistics that starts short, or the first random weights would stay.

    The count of updates, which decides how short, stays in the host's memory: PyTorch's own way
    would send it to the GPU and wait for it to come back, in each step.
    """

    def __init__(self, model: HmaDepth, decay: float) -> None:
        super().__init__(model, use_buffers=True)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take over the first values as they are, later ones by their share."""
        n = int(self.n_averaged)
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        floating = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, values = map(list, zip(*floating, strict=True))
        if n == 0:
            torch._foreach_copy_(averages, values)
        else:
            torch._foreach_lerp_(averages, values, 1 - min(self.decay, (1 + n) / (10 + n)))
        for average, value in pairs:
            if not average.is_floating_point():
                average.copy_(value)
        self.n_averaged += 1


def make_average(model: HmaDepth, decay: float) -> AveragedModel:
    """Average of weights and statistics with the given decay a step."""
    return MovingAverage(model, decay)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]
