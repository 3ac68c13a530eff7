"""The least time that a network can take on a device: operations and bytes over its ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig


@dataclass(frozen=True)
class Layer:
    """What a convolution has to do for one image."""

    name: str
    flops: float  #: a multiply-add being two
    values: float  #: read and written once: input, output and weights


@dataclass(frozen=True)
class Floor:
    """Seconds that cannot be undercut, each convolution running alone; what follows it is free."""

    arithmetic: float  #: all operations over the rate of matrix products
    memory: float  #: all bytes over the bandwidth of a copy
    by_layer: float  #: the sum of what is longer of the two in each layer


def convolutions(config: ModelConfig, size: tuple[int, int]) -> list[Layer]:
    """All convolutions of a forward pass of one image of (height, width); nothing is computed."""
    found: list[Layer] = []
    with torch.device("meta"):
        model = HmaDepth(config).eval()
        image = torch.empty(1, 3, *size)
        planes = torch.empty(1, config.camera_planes, *size) if config.camera_planes else None

    def note(name: str, module: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = module.weight.numel()
        flops = 2.0 * output.numel() * weights / module.out_channels
        found.append(Layer(name, flops, inputs[0].numel() + output.numel() + weights))

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, x, y, n=name: note(n, m, x, y))
    with torch.no_grad():
        model(image, planes)
    return found


def floor_of(
    layers: list[Layer], *, flops_per_second: float, bytes_per_second: float, value_bytes: int
) -> Floor:
    """The least seconds for these layers, of values of so many bytes."""
    arithmetic = [layer.flops / flops_per_second for layer in layers]
    memory = [layer.values * value_bytes / bytes_per_second for layer in layers]
    return Floor(sum(arithmetic), sum(memory), sum(map(max, zip(arithmetic, memory, strict=True))))


def floors(
    config: ModelConfig, size: tuple[int, int], card: Mapping[str, object]
) -> dict[str, Floor]:
    """By precision, of the figures that `measure_card` gives."""
    layers = convolutions(config, size)
    rates = card["matrix_flops"]
    bandwidth = card["copy_bytes_per_second"]
    assert isinstance(rates, Mapping)
    assert isinstance(bandwidth, float)
    return {
        name: floor_of(
            layers,
            flops_per_second=rate,
            bytes_per_second=bandwidth,
            value_bytes=4 if name in {"fp32", "tf32"} else 2,
        )
        for name, rate in rates.items()
    }
