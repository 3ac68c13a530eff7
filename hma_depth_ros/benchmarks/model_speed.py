"""Engines and other networks side by side on one input, taking turns in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from hma_depth_ros.benchmarks.baseline import ON_CUDA, baseline_call
from hma_depth_ros.benchmarks.candidates import start_engines
from hma_depth_ros.benchmarks.memory import used_bytes
from hma_depth_ros.benchmarks.stages import measure_stages
from hma_depth_ros.benchmarks.timing import Timing, take_turns
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.model_file import ModelFormat
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.torch_engine import TYPES, TorchEngine
from hma_depth_ros.inference.plan import plan_input
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    load_checkpoint,
    save_checkpoint,
)
from hma_depth_ros.network.cpu import has_bf16
from hma_depth_ros.network.device import choose_device
from hma_depth_ros.network.flops import count_flops
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import preset

REFERENCE = "torch fp32, as trained"
#: Side of the square matrices whose product is measured beside the networks: large enough to keep
#: all of a device busy, small enough for a CPU.
_MATRIX = {"cpu": 2048, "cuda": 8192}


@dataclass(frozen=True)
class ModelReport:
    """What was measured."""

    size: tuple[int, int]  #: (H, W) of the input
    timings: dict[str, Timing]  #: by candidate, the reference of all ratios first
    gflop: float  #: of our network
    #: GFLOP/s of a plain matrix product, by precision.
    products: dict[str, float]
    left_out: dict[str, str]  #: candidates that could not start, and why
    #: Bytes that came with each candidate, its first pass included (`used_bytes`).
    memory: dict[str, int]
    #: Seconds of each one's first pass: kernels are loaded, chosen, recorded, compiled.
    first: dict[str, float]
    hardware: dict[str, str]  #: that each engine runs on; of a baseline PyTorch's device
    #: By precision: each part of the network in PyTorch, if asked for.
    stages: dict[str, dict[str, Timing]]
    stage_gflop: dict[str, float]


def measure_model(
    path: Path,
    size: tuple[int, int] | None,
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
        path: checkpoint, or an exported file, which has neither reference nor stages: PyTorch does
            not run it.
        size: (H, W) of the input; None is what the file takes, or KITTI's at its width.
        engines: (engine, precision), of those that the node knows.
        device: `auto`, `cpu`, `cuda`, `cuda:N`, or `gpu` for Intel's.
        threads: of the CPU; 0 leaves it to each runtime.
        rounds: calls of each.
        by_stage: also time each part of the network, in PyTorch.
        baseline: `module:callable`, see `load_baseline`; the ratios are then to it, in fp32.
        warn: is told what goes wrong on the way.

    Raises:
        HmaDepthError: file, device or baseline cannot be used, or nothing can be measured.

    """
    if threads:
        torch.set_num_threads(threads)
    # PyTorch has the CPU where OpenVINO has Intel's GPU.
    chosen = torch.device("cpu") if device.startswith("gpu") else choose_device(device)
    source = ModelSource(path)
    is_checkpoint = source.format is ModelFormat.CHECKPOINT
    if by_stage and not is_checkpoint:
        raise HmaDepthError(f"{path} is an exported file: --by-stage needs the checkpoint itself")
    size = size or _usual_size(source)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, *size), generator=generator, dtype=torch.uint8)
    planes = camera_input(source.info, size)
    candidates: dict[str, Callable[[], object]] = {}
    hardware: dict[str, str] = {}
    first: dict[str, float] = {}
    memory, before = {}, used_bytes(chosen)

    def add(name: str, call: Callable[[], object], runs_on: str) -> None:
        nonlocal before
        begin = time.perf_counter()
        call()
        first[name] = time.perf_counter() - begin
        candidates[name], hardware[name] = call, runs_on
        now = used_bytes(chosen)
        memory[name], before = now - before, now

    if baseline is not None:
        for how in ("fp32", *(ON_CUDA if chosen.type == "cuda" else ())):
            call = baseline_call(baseline, image.to(chosen), source.info.preprocessing, how=how)
            name = f"baseline {baseline}" + ("" if how == "fp32" else f", {how}")
            add(name, _waited(call, chosen), str(chosen))
    if is_checkpoint:
        reference = TorchEngine(
            load_checkpoint(path)[0],
            source.info.preprocessing,
            device=chosen,
            precision="fp32",
            as_trained=True,
        )
        add(REFERENCE, _engine_call(reference, image, planes), reference.hardware)
    left_out: dict[str, str] = {}
    started = start_engines(
        source, engines, device=device, threads=threads, left_out=left_out, warn=warn
    )
    for name, engine in started:
        add(name, _engine_call(engine, image, planes), engine.hardware)
    if not candidates:
        raise HmaDepthError("; ".join(left_out.values()) or "no engine to measure")
    flops = count_flops(source.info.model, size)
    stages: dict[str, dict[str, Timing]] = {}
    if by_stage:
        precisions = _precisions(chosen)
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
        first=first,
        hardware=hardware,
    )


def _usual_size(source: ModelSource) -> tuple[int, int]:
    """The file's only size, or KITTI's 1242x375 at the width of the checkpoint, or BTS's crop."""
    if source.fixed_size is not None:
        return source.fixed_size
    width = source.info.preprocessing.input_width
    return (352, 1216) if width is None else plan_input((375, 1242), input_width=width).network_size


def _precisions(device: torch.device) -> tuple[str, ...]:
    """The full type, and the half one where the device has it."""
    if device.type == "cuda":
        return ("fp32", "fp16")
    return ("fp32", "bf16") if has_bf16() else ("fp32",)


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


def _engine_call(
    engine: Engine, image: torch.Tensor, planes: torch.Tensor | None
) -> Callable[[], object]:
    # Where the engine expects them.
    on_device = None if planes is None else planes.to(engine.device)
    return _waited(partial(engine, image.to(engine.device), on_device), engine.device)


def _waited(call: Callable[[], object], device: torch.device) -> Callable[[], object]:
    def waited() -> None:
        call()
        _wait(device)

    return waited


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_products(device: torch.device) -> dict[str, float]:
    """GFLOP/s of the product of two square matrices, the best of ten."""
    found = {}
    side = _MATRIX[device.type]
    for name in _precisions(device):
        a = torch.rand(side, side, device=device).to(TYPES[name])

        def multiply(a: torch.Tensor = a) -> None:
            torch.mm(a, a)
            _wait(device)

        timing = take_turns({name: multiply}, rounds=10)[name]
        found[name] = 2 * side**3 / min(timing.wall) / 1e9
    return found
