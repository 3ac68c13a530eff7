"""The network in ONNX Runtime: TensorRT, CUDA or CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.conversion_cache import VARIABLE, cache_folder
from hma_depth_ros.inference.cpu import cpu_name
from hma_depth_ros.inference.engine import (
    MissingPackageError,
    check_precision,
    choose_device,
)
from hma_depth_ros.inference.graph import INPUT, PLANES, scale_names
from hma_depth_ros.inference.onnx_conversion import only_outputs, onnx_fixed_size
from hma_depth_ros.inference.padding import check_size, pad, plane_rows, scale_maps, to_rows
from hma_depth_ros.network.config import ModelConfig
from hma_depth_ros.network.model import ScaleMaps

_ERRORS_ONLY = 3
_GPU_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider")


def import_onnxruntime() -> Any:
    """Import the package.

    Raises:
        MissingPackageError: it is not installed, or does not load.

    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX Runtime cannot be used ({error}); install it with 'pip install onnxruntime onnx "
            "onnxscript' (onnxruntime-gpu for CUDA and TensorRT), or use engine:=torch"
        ) from error
    return onnxruntime


def gpu_index(device: str) -> int | None:
    """CUDA device that ONNX Runtime shall use, or None for the CPU.

    `auto` is CUDA where the installed package and the machine both have it.

    Raises:
        HmaDepthError: there is no such device, or the package cannot use it.

    """
    has_provider = bool(set(_GPU_PROVIDERS) & set(import_onnxruntime().get_available_providers()))
    if device == "auto" and not has_provider:
        return None
    chosen = choose_device(device)
    if chosen.type == "cpu":
        return None
    if not has_provider:
        raise HmaDepthError(
            f"the installed ONNX Runtime cannot use device '{device}': install onnxruntime-gpu in "
            "place of onnxruntime, or use device:=cpu"
        )
    return chosen.index or 0


def _engine_folder(model: bytes) -> Path:
    """Where TensorRT keeps what it has built of this very model; made.

    One for each model: ONNX Runtime names engines by the graph's nodes and not by their weights,
    and would run an old engine for a network that was trained on (microsoft/onnxruntime#6455).

    Raises:
        HmaDepthError: it cannot be made.

    """
    folder = cache_folder() / "tensorrt" / hashlib.sha256(model).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HmaDepthError(
            f"cannot make {folder}: {error.strerror}; set {VARIABLE} to a writable folder"
        ) from error
    return folder


def _providers(gpu: int | None, model: bytes, precision: str) -> list[tuple[str, dict[str, Any]]]:
    """Providers in the order in which they are tried, with their options."""
    cpu: list[tuple[str, dict[str, Any]]] = [("CPUExecutionProvider", {})]
    if gpu is None:
        return cpu
    found: list[tuple[str, dict[str, Any]]] = []
    available = import_onnxruntime().get_available_providers()
    if "TensorrtExecutionProvider" in available:
        engines = str(_engine_folder(model))
        options = {
            "device_id": gpu,
            # Without, TensorRT refuses graphs whose tensors are float16.
            "trt_fp16_enable": precision == "fp16",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": engines,
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": engines,
        }
        found.append(("TensorrtExecutionProvider", options))
    if "CUDAExecutionProvider" in available:
        found.append(("CUDAExecutionProvider", {"device_id": gpu}))
    return found + cpu


class OnnxRuntimeEngine:
    """Runs an ONNX model, of which all but the maps of the scales is cut off.

    fp16 is a matter of the model: it must have been converted in half precision.
    """

    name = "onnxruntime"
    device = torch.device("cpu")  # images come from the host's memory, and depth goes there

    def __init__(
        self,
        model: Any,
        config: ModelConfig,
        *,
        device: str = "auto",
        precision: str = "fp32",
        threads: int = 0,
    ) -> None:
        """Start a session.

        Args:
            model: `onnx.ModelProto` with outputs named by `scale_names`, among others.
            config: of the network.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            precision: that `model` is in, fp32 or fp16.
            threads: on the CPU; 0 leaves it to ONNX Runtime.

        Raises:
            HmaDepthError: the device is not there, or the model cannot be run.

        """
        check_precision(precision)
        runtime = import_onnxruntime()
        self.precision = precision
        self._config = config
        self._names: Sequence[str] = scale_names(config)
        pruned = only_outputs(model, self._names)
        self.fixed_size = onnx_fixed_size(pruned)
        content = pruned.SerializeToString()
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads
        gpu = gpu_index(device)
        providers = _providers(gpu, content, precision)
        try:
            self._session = runtime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # its exceptions have no common base
            raise HmaDepthError(f"ONNX Runtime cannot run this model: {error}") from error
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        if gpu is not None and provider == "CPU":
            # It goes on without a word where a library of CUDA's is missing.
            raise HmaDepthError(
                f"ONNX Runtime cannot start on cuda:{gpu}, most likely for want of the CUDA and "
                "cuDNN libraries that it was built for; install them, or use device:=cpu"
            )
        self.hardware = cpu_name() if provider == "CPU" else f"cuda:{gpu} by {provider}"

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`."""
        rows = to_rows(image)
        size = (rows.shape[1], rows.shape[2])
        check_size(size, self.fixed_size)
        if self.fixed_size is None:
            rows = pad(rows)
        inputs: dict[str, npt.NDArray[Any]] = {INPUT: np.ascontiguousarray(rows)}
        if planes is not None:
            inputs[PLANES] = plane_rows(planes, rows)
        outputs = self._session.run(self._names, inputs)
        return scale_maps(outputs, self._config, size)
