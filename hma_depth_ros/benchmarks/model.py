"""Engines and other networks side by side on one input, taking turns in one run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hma_depth_ros.benchmarks.candidates import start_engines
from hma_depth_ros.benchmarks.stages import measure_stages
from hma_depth_ros.benchmarks.timing import Timing, resident_bytes, take_turns
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engine import choose_device
from hma_depth_ros.inference.model_source import ModelSource
from hma_depth_ros.inference.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    load_checkpoint,
    save_checkpoint,
)
from hma_depth_ros.network.config import preset
from hma_depth_ros.network.flops import count_flops
from hma_depth_ros.network.model import HmaDepth

REFERENCE = "torch fp32, as trained"
#: Side of the square matrices whose product is measured beside the networks.
_MATRIX = 2048


@dataclass(frozen=True)
class ModelReport:
    """What was measured."""

    size: tuple[int, int]  #: (H, W) of the input
    timings: dict[str, Timing]  #: by candidate, the reference of all ratios first
    gflop: float  #: of our network
    #: GFLOP/s of a plain matrix product, by precision.
    products: dict[str, float]
    left_out: dict[str, str]  #: candidates that could not start, and why
    #: Bytes of this process's memory that came with each candidate, its first pass included.
    memory: dict[str, int]
    #: By precision: each part of the network in PyTorch, if asked for.
    stages: dict[str, dict[str, Timing]]
    stage_gflop: dict[str, float]


def measure_model(
    path: Path,
    size: tuple[int, int],
    *,
    engines: Sequence[tuple[str, str]],
    device: str,
    threads: int,
    rounds: int,
    baseline: str | None = None,
    by_stage: bool = False,
    warn: Callable[[str], object],
) -> ModelReport:
    """Time the network's forward pass on uint8 images, from pixels to the maps of all scales.

    Args:
        path: checkpoint.
        size: (H, W) of the input.
        engines: (engine, precision), of those that the node knows.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: of the CPU; 0 leaves it to each runtime.
        rounds: calls of each.
        by_stage: also time each part of the network, in PyTorch.
        baseline: `module:callable`, see `load_baseline`; the ratios are then to it.
        warn: is told what goes wrong on the way.

    Raises:
        HmaDepthError: checkpoint, device or baseline cannot be used.

    """
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    source = ModelSource(path)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, *size), generator=generator, dtype=torch.uint8).to(chosen)
    candidates: dict[str, Callable[[], object]] = {}
    memory, before = {}, resident_bytes()

    def add(name: str, call: Callable[[], object]) -> None:
        nonlocal before
        call()
        candidates[name] = call
        now = resident_bytes()
        memory[name], before = now - before, now

    if baseline is not None:
        add(f"baseline {baseline}", _baseline_call(baseline, image, source.info))
    reference = TorchEngine(
        load_checkpoint(path)[0],
        source.info.preprocessing,
        device=chosen,
        precision="fp32",
        as_trained=True,
    )
    add(REFERENCE, _call(reference, image))
    left_out: dict[str, str] = {}
    started = start_engines(
        source, engines, device=device, threads=threads, left_out=left_out, warn=warn
    )
    for name, engine in started:
        add(name, _call(engine, image))
    flops = count_flops(source.info.model, size)
    precisions = ("fp32", "bf16") if by_stage else ()
    stages = measure_stages(path, size, device=chosen, precisions=precisions, rounds=rounds)
    return ModelReport(
        size=size,
        timings=take_turns(candidates, rounds=rounds),
        gflop=sum(flops.values()) / 1e9,
        stages=stages,
        stage_gflop={name: count / 1e9 for name, count in flops.items()},
        products=matrix_products(chosen),
        left_out=left_out,
        memory=memory,
    )


def random_checkpoint(name: str, folder: Path) -> Path:
    """A checkpoint of a preset with random weights, always the same ones, to measure speed with.

    Raises:
        HmaDepthError: no such preset, or the file cannot be written.

    """
    torch.manual_seed(0)
    model = HmaDepth(preset(name))
    path = folder / f"{name}.safetensors"
    info = CheckpointInfo(model.config, Preprocessing(), description=f"{name}, random weights")
    save_checkpoint(path, model, info)
    return path


def load_baseline(name: str) -> nn.Module:
    """The network that `module:callable` returns; it takes normalised images (B, 3, H, W).

    Raises:
        HmaDepthError: there is no such callable, or it returns something else.

    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise HmaDepthError(f"--baseline {name}: {error}; expected module:callable") from error
    if not isinstance(found, nn.Module):
        raise HmaDepthError(f"--baseline {name} returned {type(found).__name__}, not a Module")
    return found


def _baseline_call(name: str, image: torch.Tensor, info: CheckpointInfo) -> Callable[[], object]:
    network = load_baseline(name).eval().to(image.device)
    mean, std = info.preprocessing.mean_and_std(image.device)

    @torch.inference_mode()
    def call() -> None:
        network((image.float() - mean) / std)
        _wait(image.device)

    return call


def _call(engine: Callable[[torch.Tensor], object], image: torch.Tensor) -> Callable[[], object]:
    def call() -> None:
        engine(image)
        _wait(image.device)

    return call


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_products(device: torch.device) -> dict[str, float]:
    """GFLOP/s of the product of two square matrices, the best of ten."""
    found = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.rand(_MATRIX, _MATRIX, device=device).to(kind)

        def multiply(a: torch.Tensor = a) -> None:
            torch.mm(a, a)
            _wait(device)

        timing = take_turns({name: multiply}, rounds=10)[name]
        found[name] = 2 * _MATRIX**3 / min(timing.wall) / 1e9
    return found
