"""Results from the device to NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_host(tensors: Sequence[Tensor]) -> list[npt.NDArray[np.float32]]:
    """Arrays of float32 tensors on one device: views on the CPU, one copy in all from a GPU.

    The one copy goes through page-locked memory: several small ones would each wait for the bus.
    """
    if not tensors or tensors[0].device.type == "cpu":
        return [tensor.numpy() for tensor in tensors]
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    host = torch.empty(flat.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(flat)
    ends = list(accumulate(tensor.numel() for tensor in tensors))
    return [
        host[end - tensor.numel() : end].view(tensor.shape).numpy()
        for tensor, end in zip(tensors, ends, strict=True)
    ]
