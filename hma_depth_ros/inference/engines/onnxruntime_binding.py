"""ONNX Runtime on tensors of PyTorch, where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hma_depth_ros.inference.engines.padding import padded_size

#: ONNX Runtime's names of the types that a network's inputs have.
_TYPES: dict[torch.dtype, Any] = {torch.uint8: np.uint8, torch.float32: np.float32}


def run_bound(session: Any, inputs: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    """Outputs of a session, in the order of `names`, on the device that the inputs are on.

    Neither inputs nor outputs are copied to the host: both are bound by their addresses. Maps are
    of the padded image's size over the last number of their names (`scale_names`).

    Args:
        session: `onnxruntime.InferenceSession` that runs on the inputs' device.
        inputs: tensors by name; the first one is the image (B, H, W, 3).
        names: of the outputs.

    """
    # Held until the end: their memory is known to ONNX Runtime by address alone.
    contiguous = {name: tensor.contiguous() for name, tensor in inputs.items()}
    batch, height, width, _ = next(iter(contiguous.values())).shape
    device = next(iter(contiguous.values())).device
    binding = session.io_binding()
    for name, tensor in contiguous.items():
        binding.bind_input(
            name,
            *_where(device),
            _TYPES[tensor.dtype],
            tuple(tensor.shape),
            tensor.data_ptr(),
        )
    rows, columns = padded_size(height, width)
    outputs = []
    for name in names:
        factor = int(name.rpartition("_")[2])
        output = torch.empty((batch, 1, rows // factor, columns // factor), device=device)
        binding.bind_output(
            name, *_where(device), np.float32, tuple(output.shape), output.data_ptr()
        )
        outputs.append(output)
    if device.type == "cuda":  # it runs on a stream of its own, and waits for that at its end
        torch.cuda.current_stream(device).synchronize()
    session.run_with_iobinding(binding)
    return outputs


def _where(device: torch.device) -> tuple[str, int]:
    return device.type, device.index or 0
