"""Roofline: the time of each part of the network beside its operations, in PyTorch."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn

from hma_depth_ros.benchmarks.timing import Timing
from hma_depth_ros.inference.folding import fold_batch_norm
from hma_depth_ros.inference.torch_engine import TYPES
from hma_depth_ros.network.checkpoint import load_checkpoint
from hma_depth_ros.network.flops import stages

_WARM_UP = 2


def measure_stages(
    path: Path, size: tuple[int, int], *, device: torch.device, precision: str, rounds: int
) -> dict[str, Timing]:
    """Time the parts that `count_flops` counts, as the `torch` engine runs them.

    Other engines fuse across parts, and cannot be asked the same.

    Args:
        path: checkpoint.
        size: (H, W) of the input.
        device: CPU or CUDA, which is waited for after each part.
        precision: fp32, bf16 or fp16.
        rounds: passes.

    Raises:
        HmaDepthError: the checkpoint cannot be used.

    """
    model = fold_batch_norm(load_checkpoint(path)[0])
    model = model.to(  # type: ignore[call-overload]
        device=device, dtype=TYPES[precision], memory_format=torch.channels_last
    )
    timings = {name: Timing() for name in stages(model.config)}
    for name, module_path in stages(model.config).items():
        _watch(model.get_submodule(module_path), timings[name], device)
    image = torch.zeros((1, 3, *size), device=device, dtype=TYPES[precision])
    image = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(_WARM_UP + rounds):
            model(image)
    return {name: Timing(t.wall[-rounds:]) for name, t in timings.items()}


def _watch(module: nn.Module, timing: Timing, device: torch.device) -> None:
    begin = 0.0

    def before(*_: object) -> None:
        nonlocal begin
        begin = _now(device)

    def after(*_: object) -> None:
        timing.wall.append(_now(device) - begin)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
