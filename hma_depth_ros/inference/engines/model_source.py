"""A network's file, opened: what it says, the engines that can run it, and its reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.conversion_cache import cached, file_digest
from hma_depth_ros.inference.engines.engine import Engine, needs_calibration
from hma_depth_ros.inference.engines.exported_graph import Graph
from hma_depth_ros.inference.engines.model_file import (
    ExportedFile,
    ExportRecord,
    ModelFormat,
    read_exported,
)
from hma_depth_ros.inference.engines.onnx_conversion import (
    convert_to_onnx,
    import_onnx,
    onnx_fixed_size,
)
from hma_depth_ros.inference.engines.onnxruntime_engine import (
    OnnxRuntimeEngine,
    gpu_index,
    import_onnxruntime,
)
from hma_depth_ros.inference.engines.openvino_conversion import (
    convert_to_openvino,
    model_from_parts,
    model_to_parts,
)
from hma_depth_ros.inference.engines.openvino_core import import_openvino, openvino_core
from hma_depth_ros.inference.engines.openvino_engine import (
    OpenVinoEngine,
    openvino_device,
    openvino_fixed_size,
)
from hma_depth_ros.inference.engines.self_check import (
    SelfCheck,
    check_size_for,
    compare,
    frame_depth,
    grid_of,
)
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import CheckpointInfo, load_checkpoint
from hma_depth_ros.network.device import choose_device
from hma_depth_ros.network.model import HmaDepth


class ModelSource:
    """A checkpoint, or a file that `export` made of one."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            HmaDepthError: it cannot be used.

        """
        self.path = path
        self.format = ModelFormat.of(path)
        self.identity = _identity(path)  #: changes when the file is written anew
        self._model: HmaDepth | None = None
        self._exported: ExportedFile | None = None
        self.info: CheckpointInfo
        if self.format is ModelFormat.CHECKPOINT:
            self._model, self.info = load_checkpoint(path)
        else:
            self._exported = read_exported(path)
            self.info = self._exported.info

    @property
    def plain_engine(self) -> str:
        """The engine that computes just what the file says: PyTorch wherever it can."""
        if self._model is not None:
            return "torch"
        # OpenVINO would choose its own type for a graph in float16.
        half = self.format is ModelFormat.ONNX and self._stored == "fp16"
        return "onnxruntime" if half else "auto"

    @property
    def plain_precision(self) -> str:
        """The precision to go with it: fp32 on every device, of an exported file its own."""
        # OpenVINO's fp16 is that of the stored weights; an ONNX graph computes in its own.
        exact = self._stored in (None, "fp32") or self.format is ModelFormat.OPENVINO
        return "fp32" if exact and self._stored != "int8" else "auto"

    @property
    def record(self) -> ExportRecord | None:
        """What an exported file knows beside the checkpoint's metadata."""
        return self._exported.record if self._exported is not None else None

    @property
    def _stored(self) -> str | None:
        """Precision of an exported file."""
        return self.record.precision if self.record is not None else None

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(H, W) of the network's input, of an exported file that takes no other."""
        if self._exported is None:
            return None
        model = self._exported.model
        if self.format is ModelFormat.ONNX:
            return onnx_fixed_size(model)
        return openvino_fixed_size(model)

    def engines(self, device: str) -> list[str]:
        """Engines for this file and device, the fastest first."""
        if self.format is ModelFormat.OPENVINO:
            return ["openvino"]
        if device.startswith("gpu"):  # an Intel one
            return ["openvino"]
        on_cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
        if self.format is ModelFormat.ONNX:
            if device == "auto" and on_cuda:  # without onnxruntime-gpu still better than nothing
                return ["onnxruntime", "openvino"]
            return ["onnxruntime"] if on_cuda else ["openvino", "onnxruntime"]
        return ["torch"] if on_cuda else ["openvino", "torch"]

    def start(
        self,
        engine: str,
        *,
        device: str,
        precision: str,
        threads: int,
        compiled: bool = False,
        captured: bool = True,
        tuned: bool = True,
        side_by_side: int = 1,
        warn: Callable[[str], object],
    ) -> Engine:
        """Start `torch`, `openvino` or `onnxruntime`; a conversion is kept for the next time.

        `compiled` has PyTorch compile the network, `captured` record it on CUDA, and `tuned` try
        cuDNN's algorithms (see `TorchEngine`); other engines have their own ways. `threads` are the
        engine's own; of PyTorch they are the calling thread's, as of `leave_cores_to`.
        `side_by_side` is for OpenVINO alone.

        Raises:
            HmaDepthError: engine, device or precision are not there, or not for this file.

        """
        if precision == "int8" and self._model is not None:
            raise needs_calibration()
        if engine == "torch":
            if self._model is None:
                raise HmaDepthError(
                    f"{self.path} is an exported file, which PyTorch does not run; use "
                    "engine:=auto, or the checkpoint itself"
                )
            if threads:
                torch.set_num_threads(threads)
            return TorchEngine(
                self._model,
                self.info.preprocessing,
                device=choose_device(device),
                precision=precision,
                compiled=compiled,
                captured=captured,
                tuned=tuned,
            )
        if engine == "openvino":
            openvino_device(device)  # before the conversion, which takes its time
            return OpenVinoEngine(
                self._openvino_model(warn),
                self.info.model,
                device=device,
                precision=precision,
                threads=threads,
                side_by_side=side_by_side,
                quantised=self._stored == "int8",
            )
        if self.format is ModelFormat.OPENVINO:
            raise HmaDepthError(f"{self.path} is for OpenVINO; use engine:=auto, or an .onnx file")
        return self._start_onnxruntime(device, precision, threads, warn)

    def _openvino_model(self, warn: Callable[[str], object]) -> object:
        if self._exported is not None:
            if self.format is ModelFormat.OPENVINO:
                return self._exported.model
            return openvino_core().read_model(self.path)
        model, info = self._model, self.info
        assert model is not None
        version = import_openvino().__version__.partition("-")[0]
        parts = cached(
            self._digest(),
            f"openvino-{version}",
            lambda: model_to_parts(convert_to_openvino(model, info)),
            warn,
        )
        return model_from_parts(parts)

    def _start_onnxruntime(
        self, device: str, precision: str, threads: int, warn: Callable[[str], object]
    ) -> Engine:
        import_onnxruntime()
        if self._exported is not None:
            stored = self._exported.record.precision
            if precision not in ("auto", stored):
                raise HmaDepthError(
                    f"{self.path} was exported in {stored}, and ONNX Runtime does not change that; "
                    f"use precision:=auto, or export with --precision {precision}"
                )
            model = self._exported.model
            precision = stored
        else:
            on_gpu = gpu_index(device) is not None
            if precision == "auto":
                precision = "fp16" if on_gpu else "fp32"
            if precision == "bf16" or (precision == "fp16" and not on_gpu):
                raise HmaDepthError(
                    f"ONNX Runtime runs fp32 on the CPU and fp32 or fp16 on CUDA, not {precision} "
                    "here; use precision:=auto"
                )
            model = self._onnx_model(precision, warn)
        return OnnxRuntimeEngine(
            model,
            self.info.model,
            device=device,
            precision=precision,
            threads=threads,
            first_size=check_size_for(self.info.preprocessing.input_width),
        )

    def _onnx_model(self, precision: str, warn: Callable[[str], object]) -> object:
        def convert() -> dict[str, bytes]:
            model = copy.deepcopy(self._model)  # half precision changes it
            assert model is not None
            graph = Graph(model, self.info.preprocessing, full=False, half=precision == "fp16")
            return {"graph": convert_to_onnx(graph, None).SerializeToString()}

        onnx = import_onnx()
        parts = cached(self._digest(), f"onnx-{onnx.__version__}-{precision}", convert, warn)
        return onnx.load_model_from_string(parts["graph"])

    def _digest(self) -> str:
        """Of the checkpoint that was loaded, under which its conversions are kept.

        Raises:
            HmaDepthError: another one has its name by now, as during training.

        """
        digest = file_digest(self.path)
        if _identity(self.path) != self.identity:
            raise HmaDepthError(f"{self.path} has changed since it was loaded; start again")
        return digest

    def check(self, engine: Engine) -> SelfCheck:
        """Compare an engine with fp32 PyTorch: the model itself, or what the export has kept.

        What the engine keeps for the size of the frame is given back.
        """
        try:
            return self._compared(engine)
        finally:
            if isinstance(engine, TorchEngine):
                engine.forget_sizes()

    def _compared(self, engine: Engine) -> SelfCheck:
        if self._exported is not None:
            record = self._exported.record
            found = grid_of(frame_depth(engine, record.reference_size, self.info)).ravel()
            return compare(found, np.asarray(record.reference, np.float32), engine.precision)
        assert self._model is not None
        reference = TorchEngine(
            self._model,
            self.info.preprocessing,
            device=torch.device("cpu"),
            precision="fp32",
            as_trained=True,
        )
        size = check_size_for(self.info.preprocessing.input_width)
        depths = [frame_depth(run, size, self.info) for run in (engine, reference)]
        return compare(depths[0], depths[1], engine.precision)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What is another after a file was written anew; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None  # whoever reads it says why
    return status.st_ino, status.st_size, status.st_mtime_ns
