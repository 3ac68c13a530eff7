"""Computing the same bits each time, on GPUs too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

#: Read by cuBLAS when it starts; one of the two values with which it repeats itself.
_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Have PyTorch take algorithms that give the same bits each time, or with False leave it.

    On a GPU the gradient of upsampling, for one, is summed in whatever order its threads come. An
    operation without such an algorithm is warned of by PyTorch, and runs. CPUs repeat themselves
    anyway.
    """
    if not wanted:
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    os.environ.setdefault(*_CUBLAS)
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # finds reads of memory that nothing wrote; costs time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
