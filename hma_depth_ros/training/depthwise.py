"""Depthwise convolutions as CPUs compute them fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def float32_depthwise(model: nn.Module) -> None:
    """Let depthwise convolutions of a model that is trained under a CPU's autocast stay float32.

    With bfloat16 oneDNN computes their gradients in six times the time that it takes with float32,
    forward no faster, and so most of a step of the mobile encoders went into them. Names and
    weights stay what they are.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and 1 < module.groups == module.in_channels:
            # Replacing the module instead would rename its weights.
            module.__class__ = _Float32Depthwise


class _Float32Depthwise(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)
