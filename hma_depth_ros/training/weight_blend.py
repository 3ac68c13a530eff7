"""Weights on the way from those that a training started from to those that it came to.

Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022): such weights keep most of
what a network knew before, at little cost of what it has learned.
"""

from __future__ import annotations

import copy

import torch

from hma_depth_ros.network.model import HmaDepth


@torch.no_grad()
def blended(start: HmaDepth, trained: HmaDepth, share: float) -> HmaDepth:
    """A model of its own, that far from `start` to `trained`: 0 is the one, 1 the other.

    Counters, which are no floating point numbers, are those of `start`.
    """
    model = copy.deepcopy(start)
    ends = trained.state_dict()
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.lerp_(ends[name].to(value.dtype), share)
    return model
