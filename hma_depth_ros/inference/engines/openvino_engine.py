"""The network in OpenVINO, on CPUs and Intel GPUs."""

from __future__ import annotations

import os
import threading
from typing import Any

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine import check_precision, needs_calibration
from hma_depth_ros.inference.engines.exported_graph import scale_names
from hma_depth_ros.inference.engines.openvino_core import import_openvino, openvino_core
from hma_depth_ros.inference.engines.padding import check_size, pad, plane_rows, scale_maps, to_rows
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.network.model_config import ModelConfig

#: Our precisions, as OpenVINO calls them: in its list of capabilities, and as a hint.
_TYPES = {"fp32": ("FP32", "f32"), "bf16": ("BF16", "bf16"), "fp16": ("FP16", "f16")}


def openvino_device(device: str) -> str:
    """OpenVINO's name of `auto`, `cpu`, `gpu` or `gpu:N` (Intel's).

    Raises:
        HmaDepthError: OpenVINO has no such device.

    """
    name = "CPU" if device == "auto" else device.upper().replace(":", ".")
    available = openvino_core().available_devices
    if name.partition(".")[0] not in {"CPU", "GPU"} or not any(
        name in (known, known.partition(".")[0]) for known in available
    ):
        raise HmaDepthError(
            f"no device '{device}' for OpenVINO, which sees {', '.join(available)}; use "
            "device:=auto, cpu, or gpu for Intel's"
        )
    return name


def openvino_precisions(device: str) -> list[str]:
    """Precisions that a device (`CPU`, `GPU`) computes fast in, the fastest first."""
    capabilities = openvino_core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    # Among the half types one is native where there are both: AMX and AVX-512 have bf16.
    return [p for p in ("bf16", "fp16", "fp32") if _TYPES[p][0] in capabilities]


def openvino_fixed_size(model: Any) -> tuple[int, int] | None:
    """(H, W) of a model that takes one size only."""
    shape = model.inputs[0].partial_shape
    return None if shape[1].is_dynamic else (shape[1].get_length(), shape[2].get_length())


class OpenVinoEngine:
    """Compiled for any input size; `auto` is the fastest precision that the device has.

    The outputs that are not maps of the scales are cut off: nothing is computed in vain.
    """

    name = "openvino"
    device = torch.device("cpu")

    def __init__(
        self,
        model: Any,
        config: ModelConfig,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        side_by_side: int = 1,
        quantised: bool = False,
    ) -> None:
        """Compile.

        Args:
            model: `openvino.Model` with outputs named by `scale_names`, among others.
            config: of the network.
            device: `auto` (the CPU), `cpu`, `gpu` or `gpu:N`.
            precision: of `PRECISIONS`; int8 if `quantised`.
            threads: on the CPU; 0 leaves it to OpenVINO.
            side_by_side: calls at the same time, between which the CPU's threads are shared out;
                fewer where there are fewer threads.
            quantised: the model is in int8; what is not of it is in the device's fastest type.

        Raises:
            HmaDepthError: device or precision are not there, or the model cannot be compiled.

        """
        check_precision(precision)
        openvino = import_openvino()
        target = openvino_device(device)
        offered = openvino_precisions(target)
        chosen = offered[0] if precision == "auto" or quantised else precision
        self.precision = "int8" if quantised else chosen
        if quantised and precision not in ("auto", "int8"):
            raise HmaDepthError(
                f"the model was exported in int8 and does not run in {precision}; use "
                "precision:=auto, or the checkpoint itself"
            )
        if chosen == "int8":
            raise needs_calibration()
        if chosen not in offered:
            raise HmaDepthError(
                f"OpenVINO offers {' and '.join(offered)} on this {target}, not {chosen}; "
                "use precision:=auto"
            )
        core = openvino_core()
        self.hardware = f"{target} {core.get_property(target, 'FULL_DEVICE_NAME')}"
        self._config = config
        self._of_thread = threading.local()
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _TYPES[chosen][1],
        }
        if threads and target == "CPU":
            options["INFERENCE_NUM_THREADS"] = threads
        self.side_by_side = 1
        if target == "CPU":
            cores = threads or len(os.sched_getaffinity(0))
            self.side_by_side = options["NUM_STREAMS"] = min(side_by_side, cores)
        try:
            scales = openvino.Model(
                [model.output(name) for name in scale_names(config)], model.get_parameters()
            )
            self.fixed_size = openvino_fixed_size(scales)
            self._compiled = core.compile_model(scales, target, options)
        except RuntimeError as error:
            raise HmaDepthError(f"OpenVINO cannot run this model on {target}: {error}") from error

    def _request(self) -> Any:
        """The calling thread's own."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        return self._of_thread.request

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`."""
        rows = to_rows(image)
        size = (rows.shape[1], rows.shape[2])
        check_size(size, self.fixed_size)
        if self.fixed_size is None:
            rows = pad(rows)
        inputs = [rows] if planes is None else [rows, plane_rows(planes, rows)]
        # Outputs are copied: the request's own memory is freed when a larger image comes, and
        # whoever had kept a map for too long would read what is there then.
        outputs = self._request().infer(inputs, share_inputs=True)
        maps = [torch.from_numpy(output) for output in outputs.values()]
        return scale_maps(maps, self._config, size)
