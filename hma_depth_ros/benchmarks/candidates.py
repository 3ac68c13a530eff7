"""The engines that a benchmark compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.threads import leave_cores_to

#: PyTorch otherwise than the node runs it: on CUDA without a recorded graph, with one of what cuDNN
#: would take untried, and compiled.
TORCH_VARIANTS: dict[str, dict[str, bool]] = {
    "torch-eager": {"captured": False},
    "torch-untuned": {"tuned": False},
    "torch-compiled": {"compiled": True},
}


def start_engines(
    source: ModelSource,
    engines: Sequence[tuple[str, str]],
    *,
    device: str,
    threads: int,
    left_out: dict[str, str],
    warn: Callable[[str], object],
) -> Iterator[tuple[str, Engine]]:
    """Start engines one after the other and give each with its name.

    Args:
        source: of the network.
        engines: (engine, precision); `auto` is the first one for the device, and names of
            `TORCH_VARIANTS` are taken too.
        device: as the node's parameter.
        threads: of the CPU; 0 leaves it to the runtime.
        left_out: takes the names of those that cannot start, and why.
        warn: is told what goes wrong on the way.

    """
    for asked, precision in engines:
        name = source.engines(device)[0] if asked == "auto" else asked
        how = TORCH_VARIANTS.get(name, {})
        try:
            engine = source.start(
                "torch" if how else name,
                device=device,
                precision=precision,
                threads=threads,
                **how,
                warn=warn,
            )
        except HmaDepthError as error:
            left_out[f"{name} {precision}"] = str(error)
            continue
        yield f"{name if how else engine.name} {engine.precision}", engine


@contextmanager
def threads_as_in_the_node(engine: Engine, threads: int) -> Iterator[None]:
    """Give PyTorch and OpenCV the threads that a node with this engine and `threads` gives them."""
    before = torch.get_num_threads()
    leave_cores_to(engine, threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
