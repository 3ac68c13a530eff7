"""The processes of a run: one, or as many as torchrun started on one machine or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.device import choose_device

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """One process among all of a run."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def all_reduce(self, sums: Tensor) -> Tensor:
        """Sum over all processes, through which gradients flow back to each."""
        return all_reduce(sums) if self.world > 1 else sums

    def gathered(self, value: Any) -> list[Any]:
        """`value` of every process, in order of rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def by_first(self, function: Callable[[], T]) -> T:
        """What `function` returns in the first process (plain data), in all: so that one decides.

        Files change while others look, and a hundred processes that ask a file server for the same
        thousands of files take their time.

        Raises:
            HmaDepthError: the first process' own, in all of them.

        """
        if self.world == 1:
            return function()
        found: T | None = None
        error: HmaDepthError | None = None
        if self.is_first:
            try:
                found = function()
            except HmaDepthError as raised:
                error = raised
        sent: list[Any] = [found, None if error is None else str(error)]
        dist.broadcast_object_list(sent, device=self.device if self._on_gpu else None)
        if sent[1] is not None:
            raise error or HmaDepthError(sent[1])
        return sent[0]  # type: ignore[no-any-return]

    @property
    def _on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """Join torchrun's group, if there is one: NCCL between GPUs, gloo between CPUs.

    Raises:
        HmaDepthError: the device is not there.

    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1, choose_device(device))
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device in {"auto", "cuda"} and torch.cuda.is_available():
        chosen = choose_device(f"cuda:{local_rank}")
        torch.cuda.set_device(chosen)
    else:
        chosen = choose_device(device)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), world, chosen)
    finally:
        dist.destroy_process_group()
