"""How many floating-point operations each part of the network takes."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import DECODER_REDUCTIONS, ModelConfig


def count_flops(config: ModelConfig, size: tuple[int, int]) -> dict[str, float]:
    """Operations by part for one image of (height, width), a multiply-add being two.

    Convolutions and matrix products, by PyTorch's counter; normalisation, activations and
    resampling are not counted. Nothing is computed: tensors have shapes only.
    """
    counts = _by_module(config, size)
    return {name: counts[path] for name, path in stages(config).items()}


def stages(config: ModelConfig) -> dict[str, str]:
    """Path in `HmaDepth` of the module that does each part, in the order of the forward pass."""
    found = {"encoder": "encoder"}
    for reduction in DECODER_REDUCTIONS:
        scale = "H" if reduction == 1 else f"H/{reduction}"
        found[f"decoder {scale}: upsampling with skip"] = f"decoder.steps.{reduction}"
        if reduction == 8:
            found[f"decoder {scale}: ASPP"] = "decoder.aspp"
        if reduction in config.reductions:
            found[f"decoder {scale}: depth module"] = f"decoder.depth_heads.{reduction}"
        if config.attention and reduction in config.reductions[:-1]:
            found[f"decoder {scale}: attention module"] = f"decoder.attention_heads.{reduction}"
    return found


def saved_flops(config: ModelConfig, size: tuple[int, int]) -> dict[str, float]:
    """Operations that the decoder would take more without each of its shapes' decisions."""
    counts = _by_module(config, size)
    late = sum(3 * counts[f"decoder.steps.{r}.reduce"] for r in DECODER_REDUCTIONS)
    heads = sum(
        (r * r - 1) * counts[path]
        for r in config.reductions
        for kind in ("depth", "attention")
        if (path := f"decoder.{kind}_heads.{r}") in counts
    )
    return {
        "convolution before upsampling, not after": late,
        "modules at their own resolution, not at H": heads,
    }


def _by_module(config: ModelConfig, size: tuple[int, int]) -> dict[str, float]:
    with torch.device("meta"):
        model = HmaDepth(config).eval()
        image = torch.empty(1, 3, *size)
        planes = torch.empty(1, config.camera_planes, *size) if config.camera_planes else None
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(image, planes)
    return {
        name.partition(".")[2]: float(sum(operations.values()))
        for name, operations in counter.get_flop_counts().items()
    }
