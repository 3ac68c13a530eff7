"""A device without enough memory: how that shows, and what can be given back."""

from __future__ import annotations

import gc

import torch

from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.renewable_engine import RenewableEngine
from hma_depth_ros.inference.engines.torch_engine import TorchEngine

#: Of the messages of CUDA, cuDNN, ONNX Runtime and OpenCL, which have no error of their own for it.
_WORDS = ("out of memory", "failed to allocate", "alloc_failed", "out_of_resources")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory is what an engine lacked, of the device or of this machine."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def free_memory(engine: Engine) -> None:
    """Give back what is only kept to be faster the next time."""
    current = engine.current if isinstance(engine, RenewableEngine) else engine
    if isinstance(current, TorchEngine):
        current.forget_sizes()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
