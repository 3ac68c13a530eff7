"""What fp32 means on CUDA, and which convolutions are taken there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def float32_means_float32(*, tuned: bool) -> Iterator[None]:
    """On CUDA, compute what is in float32 with all of its 24 bits of mantissa.

    By default cuDNN's convolutions take TF32, which has 11. With `tuned`, cuDNN tries its
    algorithms on each new size and keeps the fastest: for sizes that stay. All is as before
    afterwards, and nothing changes on the CPU.
    """
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    products.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=tuned, allow_tf32=False):
            yield
    finally:
        products.allow_tf32 = before
