"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from hma_depth_ros.network.model import HmaDepth


def make_average(model: HmaDepth, decay: float) -> AveragedModel:
    """Average of weights and statistics with the given decay a step."""
    return AveragedModel(model, multi_avg_fn=_moving_average(decay), use_buffers=True)


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average that starts short, or the first random weights would linger."""

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        n = int(count)
        step = 1 - min(decay, (1 + n) / (10 + n))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, step)
            else:
                average.copy_(value)

    return update
