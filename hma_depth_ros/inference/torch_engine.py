"""The network in PyTorch itself, on CUDA or CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.model import HmaDepth, ScaleMaps

AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("auto", "fp32", *AUTOCAST_TYPES)


class TorchEngine:
    """Eager PyTorch: channels_last, autocast below fp32; `auto` is fp16 on CUDA, else fp32."""

    name = "torch"

    def __init__(
        self,
        model: HmaDepth,
        preprocessing: Preprocessing,
        *,
        device: torch.device,
        precision: str = "auto",
    ) -> None:
        if precision not in PRECISIONS:
            raise HmaDepthError(f"no precision '{precision}'; use one of {', '.join(PRECISIONS)}")
        if precision == "auto":
            precision = "fp16" if device.type == "cuda" else "fp32"
        if precision == "fp16" and device.type == "cpu":
            raise HmaDepthError("precision fp16 needs a CUDA device; on the CPU use fp32 or bf16")
        self.precision = precision
        self.device = device
        self._model = model.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean, self._std = preprocessing.mean_and_std(device)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> ScaleMaps:
        """See `Engine`."""
        normalised = image.float().sub_(self._mean).div_(self._std)
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        if self.precision == "fp32":
            maps: ScaleMaps = self._model(normalised)
            return maps
        with torch.autocast(self.device.type, dtype=AUTOCAST_TYPES[self.precision]):
            return self._model(normalised)
