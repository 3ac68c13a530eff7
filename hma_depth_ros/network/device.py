"""Where tensors live."""

from __future__ import annotations

import torch

from hma_depth_ros.errors import HmaDepthError


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
