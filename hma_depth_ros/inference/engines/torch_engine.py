"""The network in PyTorch itself, on CUDA or CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.cuda_graph import CapturedModel
from hma_depth_ros.inference.engines.engine import check_precision, needs_calibration
from hma_depth_ros.inference.engines.folding import fold_batch_norm, zero_planes
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.compiled_kernels import keep_kernels_private
from hma_depth_ros.network.cpu import cpu_name, has_bf16
from hma_depth_ros.network.float32 import float32_means_float32
from hma_depth_ros.network.model import HmaDepth, ScaleMaps

#: (H, W) of the first image of a compiled network.
_COMPILED_AT = (64, 96)

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """PyTorch: channels_last, folded normalisation, on CUDA a graph captured for each input size.

    `auto` is fp16 on CUDA; on a CPU that has instructions for bf16 it is that, else fp32. Below
    fp32 the whole network is in the smaller type but for the sigmoids and all that follows them.
    """

    name = "torch"
    side_by_side = 1

    def __init__(
        self,
        model: HmaDepth,
        preprocessing: Preprocessing,
        *,
        device: torch.device,
        precision: str = "auto",
        as_trained: bool = False,
        compiled: bool = False,
        captured: bool = True,
        tuned: bool = True,
    ) -> None:
        """Prepare a copy of `model`.

        Args:
            model: left as it is.
            preprocessing: of its checkpoint.
            device: CPU or CUDA.
            precision: of `PRECISIONS`.
            as_trained: run the model's own modules eagerly, nothing folded or captured: the
                reference that all engines are compared with.
            compiled: by torch.compile, which takes minutes at the start and again for each new
                input size, and needs a C++ compiler (CPU) or Triton (CUDA).
            captured: on CUDA, record a graph for each input size; without, kernels are launched
                one by one.
            tuned: before that, have cuDNN try its algorithms and keep the fastest.

        Raises:
            HmaDepthError: the precision is unknown, the device does not have it, or torch.compile
                does not work here.

        """
        check_precision(precision)
        if precision == "int8":
            raise needs_calibration()
        if precision == "auto":
            precision = "fp32" if as_trained else _fastest(device)
        if precision == "fp16" and device.type == "cpu":
            raise HmaDepthError("precision fp16 needs a CUDA device; on the CPU use fp32 or bf16")
        self.precision = precision
        self.device = device
        self.hardware = (
            f"{device} {torch.cuda.get_device_name(device)}"
            if device.type == "cuda"
            else cpu_name()
        )
        self._type = TYPES[precision]
        self._mean, self._std = preprocessing.mean_and_std(device)
        prepared = copy.deepcopy(model).eval() if as_trained else fold_batch_norm(model)
        prepared = prepared.requires_grad_(False).to(  # type: ignore[call-overload]
            device=device, dtype=self._type, memory_format=torch.channels_last
        )
        self._network = self._compile(prepared) if compiled and not as_trained else prepared
        capture = captured and device.type == "cuda" and not as_trained
        self._captured = CapturedModel(self._run, tuned=tuned) if capture else None

    @torch.inference_mode()
    def _compile(self, model: HmaDepth) -> Callable[[Tensor, Tensor | None], ScaleMaps]:
        """Compile, and run once: what is missing shows only then."""
        keep_kernels_private()
        compiled: Callable[[Tensor, Tensor | None], ScaleMaps] = torch.compile(model)
        image = torch.zeros((1, 3, *_COMPILED_AT), device=self.device, dtype=self._type)
        try:
            with self._exactly():  # whether TF32 is allowed is part of what is compiled
                compiled(
                    image.contiguous(memory_format=torch.channels_last), zero_planes(model, image)
                )
        except Exception as error:  # compilers fail in many ways
            reason = (str(error).strip().splitlines() or [repr(error)])[0]
            raise HmaDepthError(
                f"torch.compile does not work here ({reason}); use compile:=false"
            ) from error
        return compiled

    @torch.inference_mode()
    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`."""
        inputs = (image,) if planes is None else (image, planes.to(self.device))
        return self._run(*inputs) if self._captured is None else self._captured(*inputs)

    def forget_sizes(self) -> None:
        """Give back what is kept for the input sizes that there were."""
        if self._captured is not None:
            self._captured.forget()

    def _run(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        normalised = (image - self._mean).div_(self._std)  # float32 of uint8 too, and a new tensor
        normalised = normalised.to(self._type).contiguous(memory_format=torch.channels_last)
        if planes is not None:
            planes = planes.to(self._type)
        with self._exactly():
            maps: ScaleMaps = self._network(normalised, planes)
        return maps

    def _exactly(self) -> AbstractContextManager[None]:
        """Around all that the network computes; what is replayed has been recorded in it."""
        if self.device.type == "cuda":
            return float32_means_float32(tuned=False)
        return nullcontext()


def _fastest(device: torch.device) -> str:
    if device.type == "cuda":
        return "fp16"
    return "bf16" if has_bf16() else "fp32"
