"""What fp32 means on CUDA, and which convolutions are taken there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

#: The flags are the whole process': who is inside has them to itself.
_ONE_AT_A_TIME = threading.Lock()
_of_thread = threading.local()


@contextmanager
def float32_means_float32(*, tuned: bool) -> Iterator[None]:
    """On CUDA, compute what is in float32 with all of its 24 bits of mantissa.

    By default cuDNN's convolutions take TF32, which has 11. With `tuned`, cuDNN tries its
    algorithms on each new size and keeps the fastest: for sizes that stay. All is as before
    afterwards, and nothing changes on the CPU, but where a program has allowed less by
    `torch.backends.fp32_precision`.

    One thread is inside at a time, and others wait. Inside once more, `tuned` is the outer one's.
    PyTorch's flags are those of the process: what other threads compute meanwhile follows them too,
    and PyTorch may refuse to tell them the older ones (`allow_tf32`).
    """
    if getattr(_of_thread, "inside", False):
        yield
        return
    cudnn = torch.backends.cudnn
    with _ONE_AT_A_TIME:
        _of_thread.inside, benchmark = True, cudnn.benchmark
        try:
            with _by_parts() if hasattr(torch.backends, "fp32_precision") else _as_a_whole():
                cudnn.benchmark = tuned
                yield
        finally:
            cudnn.benchmark = benchmark
            _of_thread.inside = False


@contextmanager
def _by_parts() -> Iterator[None]:
    """Without TF32 from PyTorch 2.9 on, where a part without a setting of its own has the whole's.

    One is told from the other by nothing but what it does: so the whole comes before its parts, and
    a part that follows is not touched.
    """
    backends: Any = torch.backends
    cudnn = backends.cudnn  # its own setting is that of all on CUDA
    parts = [backends, cudnn, backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    before = [part.fp32_precision for part in parts]
    try:
        _set([(part, "ieee") for part in parts])
        yield
    finally:
        _set(list(zip(parts, before, strict=True)))


def _set(precisions: list[tuple[Any, str]]) -> None:
    for part, precision in precisions:
        if part.fp32_precision != precision:
            part.fp32_precision = precision


@contextmanager
def _as_a_whole() -> Iterator[None]:
    """Without TF32 before PyTorch 2.9."""
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32 = before[1]
