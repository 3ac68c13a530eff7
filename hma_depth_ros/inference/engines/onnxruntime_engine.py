"""The network in ONNX Runtime: TensorRT, CUDA or CPU."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine import MissingPackageError, check_precision
from hma_depth_ros.inference.engines.exported_graph import CHANNELS, INPUT, PLANES, scale_names
from hma_depth_ros.inference.engines.kept_files import drop_changed_files, note_files
from hma_depth_ros.inference.engines.onnx_conversion import only_outputs, onnx_fixed_size
from hma_depth_ros.inference.engines.onnxruntime_binding import run_bound
from hma_depth_ros.inference.engines.padding import (
    check_size,
    pad,
    padded,
    padded_size,
    plane_rows,
    scale_maps,
    to_rows,
)
from hma_depth_ros.network.cpu import cpu_name
from hma_depth_ros.network.device import choose_device
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.private_cache import private_cache

_LOG = logging.getLogger(__name__)
_ERRORS_ONLY = 3
_TENSORRT, _CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"
_GPU_PROVIDERS = (_TENSORRT, _CUDA)
#: Images that TensorRT's engines take at a time: the cameras of a rig. More go through in parts.
MOST_IMAGES = 6
#: Sizes whose engines are kept in memory.
_KEPT_SIZES = 4


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


def _engine_folder(model: bytes, size: tuple[int, int]) -> Path:
    """Where TensorRT keeps what it has built of this very model for (h, w); made.

    One for each model: ONNX Runtime names engines by the graph's nodes and not by their weights,
    and would run an old engine for a network that was trained on (microsoft/onnxruntime#6455).

    Raises:
        HmaDepthError: it cannot be made, or others can write into it.

    """
    digest = hashlib.sha256(model).hexdigest()[:32]
    return private_cache("tensorrt", digest, f"{size[0]}x{size[1]}")


def _profiles(config: ModelConfig, size: tuple[int, int]) -> dict[str, str]:
    """Shapes that TensorRT builds an engine for, as ONNX Runtime takes them.

    Without them it would build one in the first frame, and another with each new number of images.
    """
    height, width = size

    def shapes(images: int) -> str:
        found = f"{INPUT}:{images}x{height}x{width}x{CHANNELS}"
        if config.camera_planes:
            found += f",{PLANES}:{images}x{config.camera_planes}x{height}x{width}"
        return found

    return {
        "trt_profile_min_shapes": shapes(1),
        "trt_profile_opt_shapes": shapes(1),
        "trt_profile_max_shapes": shapes(MOST_IMAGES),
    }


def _providers(
    gpu: int | None,
    model: bytes,
    config: ModelConfig,
    precision: str,
    size: tuple[int, int] | None,
) -> list[tuple[str, dict[str, Any]]]:
    """Providers in the order in which they are tried, with their options.

    `size` is the (h, w) of TensorRT's engine; without, there is none.
    """
    cpu: list[tuple[str, dict[str, Any]]] = [("CPUExecutionProvider", {})]
    if gpu is None:
        return cpu
    found: list[tuple[str, dict[str, Any]]] = []
    available = import_onnxruntime().get_available_providers()
    if size is not None and _TENSORRT in available:
        engines = str(_engine_folder(model, size))
        options = {
            "device_id": gpu,
            # Without, TensorRT refuses graphs whose tensors are float16.
            "trt_fp16_enable": precision == "fp16",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": engines,
            "trt_timing_cache_enable": True,
            "trt_timing_cache_path": engines,
            **_profiles(config, size),
        }
        found.append((_TENSORRT, options))
    if _CUDA in available:
        # By default it computes float32 in TF32.
        found.append((_CUDA, {"device_id": gpu, "use_tf32": 0}))
    return found + cpu


class OnnxRuntimeEngine:
    """Runs an ONNX model, of which all but the maps of the scales is cut off.

    fp16 is a matter of the model: it must have been converted in half precision. On a GPU images
    and maps are PyTorch's tensors there, and nothing passes through the host. TensorRT has an
    engine for each input size, which takes minutes to build: call `prepare` before the first frame.
    """

    name = "onnxruntime"
    side_by_side = 1

    def __init__(
        self,
        model: Any,
        config: ModelConfig,
        *,
        device: str = "auto",
        precision: str = "fp32",
        threads: int = 0,
        first_size: tuple[int, int],
    ) -> None:
        """Start a session.

        Args:
            model: `onnx.ModelProto` with outputs named by `scale_names`, among others.
            config: of the network.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            precision: that `model` is in, fp32 or fp16.
            threads: on the CPU; 0 leaves it to ONNX Runtime.
            first_size: (h, w) of the network's input that is prepared now.

        Raises:
            HmaDepthError: the device is not there, or the model cannot be run.

        """
        check_precision(precision)
        self.precision = precision
        self._config, self._threads = config, threads
        self._names: Sequence[str] = scale_names(config)
        pruned = only_outputs(model, self._names)
        self.fixed_size = onnx_fixed_size(pruned)
        self._content = pruned.SerializeToString()
        self._gpu = gpu_index(device)
        self.device = torch.device("cpu") if self._gpu is None else torch.device("cuda", self._gpu)
        self._by_size = (
            self._gpu is not None and _TENSORRT in import_onnxruntime().get_available_providers()
        )
        self._sessions: OrderedDict[tuple[int, int] | None, Any] = OrderedDict()
        self.hardware = ""
        self.prepare(self.fixed_size or first_size)

    def prepare(self, size: tuple[int, int]) -> None:
        """Build what images of (h, w) need, unless it is there.

        Raises:
            HmaDepthError: it cannot be built.

        """
        self._session_for(padded_size(*size) if self.fixed_size is None else size)

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`."""
        size = (image.shape[2], image.shape[3])
        check_size(size, self.fixed_size)
        outputs = self._on_cpu(image, planes) if self._gpu is None else self._on_gpu(image, planes)
        return scale_maps(outputs, self._config, size)

    def _on_cpu(self, image: Tensor, planes: Tensor | None) -> list[Tensor]:
        rows = to_rows(image)
        if self.fixed_size is None:
            rows = pad(rows)
        inputs: dict[str, npt.NDArray[Any]] = {INPUT: np.ascontiguousarray(rows)}
        if planes is not None:
            inputs[PLANES] = plane_rows(planes, rows)
        session = self._session_for((rows.shape[1], rows.shape[2]))
        return [torch.from_numpy(output) for output in session.run(self._names, inputs)]

    def _on_gpu(self, image: Tensor, planes: Tensor | None) -> list[Tensor]:
        if image.dtype != torch.uint8:
            image = image.round().clamp(0, 255).to(torch.uint8)
        given = [image] if planes is None else [image, planes.to(self.device, torch.float32)]
        if self.fixed_size is None:
            given = [padded(tensor) for tensor in given]
        session = self._session_for((given[0].shape[2], given[0].shape[3]))
        parts = zip(*(tensor.split(MOST_IMAGES) for tensor in given), strict=True)
        found = [run_bound(session, self._bound(part), self._names) for part in parts]
        return (
            found[0] if len(found) == 1 else [torch.cat(maps) for maps in zip(*found, strict=True)]
        )

    @staticmethod
    def _bound(part: Sequence[Tensor]) -> dict[str, Tensor]:
        inputs = {INPUT: part[0].permute(0, 2, 3, 1)}
        if len(part) > 1:
            inputs[PLANES] = part[1]
        return inputs

    def _session_for(self, size: tuple[int, int]) -> Any:
        """Session for images of (h, w), which are padded already."""
        key = size if self._by_size else None
        if key in self._sessions:
            self._sessions.move_to_end(key)
            return self._sessions[key]
        if len(self._sessions) == _KEPT_SIZES:
            self._sessions.popitem(last=False)
        self._sessions[key] = self._start(key)
        return self._sessions[key]

    def _start(self, size: tuple[int, int] | None) -> Any:
        runtime, gpu = import_onnxruntime(), self._gpu
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = self._threads
        providers = _providers(gpu, self._content, self._config, self.precision, size)
        kept = [Path(o["trt_engine_cache_path"]) for name, o in providers if name == _TENSORRT]
        for folder in kept:
            drop_changed_files(folder, _LOG.warning)
        try:
            session = runtime.InferenceSession(self._content, options, providers=providers)
        except Exception as error:  # its exceptions have no common base
            raise HmaDepthError(f"ONNX Runtime cannot run this model: {error}") from error
        for folder in kept:
            note_files(folder)
        provider = session.get_providers()[0].removesuffix("ExecutionProvider")
        if gpu is not None and provider == "CPU":
            # It goes on without a word where a library of CUDA's is missing.
            raise HmaDepthError(
                f"ONNX Runtime cannot start on cuda:{gpu}, most likely for want of the CUDA and "
                "cuDNN libraries that it was built for; install them, or use device:=cpu"
            )
        self.hardware = cpu_name() if provider == "CPU" else f"cuda:{gpu} by {provider}"
        return session
