"""Memory that is in use: of a GPU where there is one to be measured, else of this process."""

from __future__ import annotations

import torch

from hma_depth_ros.benchmarks.timing import resident_bytes


def used_bytes(device: torch.device) -> int:
    """Bytes in RAM of this process or, on CUDA, in the GPU's memory of all who use it.

    What is not PyTorch's counts too: libraries, recorded graphs, other runtimes.
    """
    if device.type != "cuda":
        return resident_bytes()
    free, total = torch.cuda.mem_get_info(device)
    return total - free
