"""What runs the network."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import ScaleMaps


class Engine(Protocol):
    """A network ready to run on one device in one precision."""

    name: str  #: of the runtime, such as `torch`
    precision: str  #: `fp32`, `bf16` or `fp16`
    device: torch.device  #: where inputs are expected and outputs lie

    def __call__(self, image: Tensor) -> ScaleMaps:
        """Maps of all scales for RGB (B, 3, h, w) with values 0 to 255, uint8 or float."""
        ...


def choose_device(device: str) -> torch.device:
    """Return the device for `auto` (CUDA where there is one, else CPU), `cpu`, `cuda`, `cuda:1`.

    Raises:
        HmaDepthError: the device is unknown or not there.

    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise HmaDepthError(f"no device '{device}'; use auto, cpu, cuda or cuda:N") from None
    if chosen.type not in {"cpu", "cuda"}:
        raise HmaDepthError(f"device '{device}' is not supported; use auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise HmaDepthError(
            f"no device '{device}': PyTorch sees {torch.cuda.device_count()} CUDA devices; "
            "use device:=auto or device:=cpu"
        )
    return chosen
