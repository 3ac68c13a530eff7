"""Roofline: the time of each part of the network beside its operations, in PyTorch."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from hma_depth_ros.benchmarks.timing import Timing, take_turns
from hma_depth_ros.inference.engines.folding import fold_batch_norm, zero_planes
from hma_depth_ros.inference.engines.torch_engine import TYPES
from hma_depth_ros.network.checkpoint import load_checkpoint
from hma_depth_ros.network.flops import stages


def measure_stages(
    path: Path,
    size: tuple[int, int],
    *,
    device: torch.device,
    precisions: Sequence[str],
    rounds: int,
) -> dict[str, dict[str, Timing]]:
    """Time the parts that `count_flops` counts, as the `torch` engine runs them; by precision.

    Other engines fuse across parts, and cannot be asked the same.

    Args:
        path: checkpoint.
        size: (H, W) of the input.
        device: CPU or CUDA, which is waited for after each part.
        precisions: of fp32, bf16 and fp16; they take turns.
        rounds: passes.

    Raises:
        HmaDepthError: the checkpoint cannot be used.

    """
    model = fold_batch_norm(load_checkpoint(path)[0])
    found: dict[str, dict[str, Timing]] = {}
    passes: dict[str, Callable[[], object]] = {}
    for precision in precisions:
        kind = TYPES[precision]
        own = copy.deepcopy(model).to(  # type: ignore[call-overload]
            device=device, dtype=kind, memory_format=torch.channels_last
        )
        found[precision] = {name: Timing() for name in stages(model.config)}
        for name, module_path in stages(model.config).items():
            _watch(own.get_submodule(module_path), found[precision][name], device)
        image = torch.zeros((1, 3, *size), device=device, dtype=kind)
        image = image.contiguous(memory_format=torch.channels_last)
        passes[precision] = partial(own, image, zero_planes(own, image))
    with torch.inference_mode():
        take_turns(passes, rounds=rounds)
    return {
        precision: {name: Timing(timing.wall[-rounds:]) for name, timing in parts.items()}
        for precision, parts in found.items()
    }


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
