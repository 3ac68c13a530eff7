"""Results from the device to NumPy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def host_memory(size: int, device: torch.device) -> npt.NDArray[np.uint8]:
    """So many bytes, zeros; page-locked for a GPU, which copies there by itself."""
    return torch.zeros(size, dtype=torch.uint8, pin_memory=device.type == "cuda").numpy()


def to_host(
    tensors: Mapping[str, Tensor], out: Mapping[str, npt.NDArray[np.float32] | None]
) -> dict[str, npt.NDArray[np.float32]]:
    """Arrays of float32 tensors, by name: views on the CPU, copies from a GPU.

    Args:
        tensors: on one device. On the CPU those with an `out` lie there already.
        out: where copies from a GPU go, if not to page-locked memory of their own; contiguous but
            for the first axis.

    """
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for name, tensor in tensors.items():
        given = out[name]
        if tensor.device.type == "cpu":
            arrays[name] = tensor.numpy() if given is None else given
            continue
        if given is None:
            given = torch.empty(tensor.shape, dtype=torch.float32, pin_memory=True).numpy()
        # Row by row of the first axis: into memory with gaps PyTorch would copy twice. The copies
        # are queued and awaited together.
        parts = [(given, tensor)] if given.flags.c_contiguous else zip(given, tensor, strict=True)
        for target, source in parts:
            torch.from_numpy(target).copy_(source, non_blocking=True)
        arrays[name] = given
    if tensors and (device := next(iter(tensors.values())).device).type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    return arrays
