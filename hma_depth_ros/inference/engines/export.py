"""A checkpoint as an ONNX or OpenVINO file, which is a checkpoint too, and runs without PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.files import atomic_path, check_writable, temporary_folder
from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.inference.engines.conversion_cache import file_digest
from hma_depth_ros.inference.engines.exported_graph import (
    ATTENTION,
    DEPTH,
    INPUT,
    PLANES,
    UNCERTAINTY,
    Graph,
    trace,
)
from hma_depth_ros.inference.engines.model_file import ExportRecord, ModelFormat, export_metadata
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.onnx_conversion import convert_to_onnx
from hma_depth_ros.inference.engines.onnxruntime_engine import import_onnxruntime
from hma_depth_ros.inference.engines.openvino_conversion import convert_graph
from hma_depth_ros.inference.engines.openvino_core import import_openvino, openvino_core
from hma_depth_ros.inference.engines.padding import pad, plane_rows, to_rows
from hma_depth_ros.inference.engines.self_check import (
    TOLERANCES,
    check_size_for,
    frame_depth,
    frame_image,
    grid_of,
)
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import CheckpointInfo, load_checkpoint, read_info
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.network.model_config import ModelConfig

_LOG = logging.getLogger(__name__)

FORMATS = {"onnx": ModelFormat.ONNX, "openvino": ModelFormat.OPENVINO}


@dataclass(frozen=True)
class Verification:
    """How far the written file is from fp32 PyTorch, on the bundled frame."""

    depth: float  #: median of |d - d_ref| / d_ref
    attention: float  #: median of |m - m_ref|; 0 without attention
    uncertainty: float  #: median of |s - s_ref| / s_ref; 0 without an estimate of the error
    through_package: float  #: as `depth`, of the file loaded as a checkpoint
    limit: float  #: for each of them

    @property
    def passed(self) -> bool:
        """Whether the file may be kept; NaN may not."""
        found = (self.depth, self.attention, self.uncertainty, self.through_package)
        return all(deviation <= self.limit for deviation in found)


def export_model(
    checkpoint: Path,
    output: Path,
    *,
    kind: str,
    size: tuple[int, int] | None = None,
    precision: str = "fp32",
    quantise: Callable[[Any, ModelConfig], Any] | None = None,
    judge: Callable[[Path], object] | None = None,
) -> Verification:
    """Write `checkpoint` to `output`, having run what was written.

    Args:
        checkpoint: a safetensors checkpoint.
        output: .onnx, or .xml with the weights beside it in .bin.
        kind: of `FORMATS`.
        size: (H, W) of its input; None takes any multiple of 32.
        precision: fp16 halves the file. In ONNX it computes in float16 too; in OpenVINO only the
            weights are stored so. int8 needs `quantise`, and OpenVINO.
        quantise: makes an int8 `openvino.Model` of one in fp32.
        judge: is given the written file before it gets its name, and raises if it is not to.

    Raises:
        HmaDepthError: the checkpoint cannot be used, a package is missing, the file cannot be
            written, or what was written does not say what the network says; then none is left.

    """
    check_names(checkpoint, output, kind)
    model, info = load_checkpoint(checkpoint)
    if size is not None:
        info = replace(info, preprocessing=replace(info.preprocessing, input_width=size[1]))
    reference = TorchEngine(
        model, info.preprocessing, device=torch.device("cpu"), precision="fp32", as_trained=True
    )
    reference_size = size or check_size_for(info.preprocessing.input_width)
    half = precision == "fp16"
    graph = Graph(model, info.preprocessing, full=True, half=half and kind == "onnx")
    with _workplace(output) as folder:
        record = ExportRecord(
            precision=precision,
            source=file_digest(checkpoint),
            reference_size=reference_size,
            reference=tuple(grid_of(frame_depth(reference, reference_size, info)).ravel().tolist()),
        )
        written = folder / f"model{output.suffix}"
        if kind == "onnx":
            converted = convert_to_onnx(graph, size)
            write: Callable[[], None] = partial(
                _write_onnx, converted, export_metadata(info, record), written
            )
        else:
            import_openvino()  # before recording the graph, which takes its time
            converted = convert_graph(graph, trace(graph, size), size)
            if quantise is not None:
                converted = quantise(converted, info.model)
            write = partial(_write_openvino, converted, info, record, written, half=half)
        try:
            write()
        except OSError as error:
            raise HmaDepthError(f"cannot write {output}: {error.strerror or error}") from error
        except RuntimeError as error:  # of OpenVINO, which does not know why
            raise HmaDepthError(
                f"cannot write {output}: {one_line(error)} (is the disk full?)"
            ) from error
        verification = _verify(
            written, reference, reference_size, fixed=size is not None, precision=precision
        )
        if not verification.passed:
            raise HmaDepthError(
                f"{output} was not written: the exported model deviates from PyTorch by "
                f"{verification.depth:.1e} in depth, {verification.attention:.1e} in the masks, "
                f"{verification.uncertainty:.1e} in the uncertainty and "
                f"{verification.through_package:.1e} when loaded, of {verification.limit:.0e} "
                "allowed"
            )
        if judge is not None:
            judge(written)
        # Weights first: a graph is never there without them, and knows them (`ExportRecord`).
        for suffix in ([".bin"] if kind == "openvino" else []) + [output.suffix]:
            with atomic_path(output.with_suffix(suffix)) as temporary:
                written.with_suffix(suffix).replace(temporary)
    return verification


def check_names(checkpoint: Path, output: Path, kind: str) -> None:
    """Check what can be checked before an export, which takes its time.

    Raises:
        HmaDepthError: the output is not named for its kind or cannot be written; the checkpoint is
            not there, or an exported file itself.

    """
    if output.suffix != FORMATS[kind].value:
        raise HmaDepthError(f"{output}: a file for {kind} is named *{FORMATS[kind].value}")
    if ModelFormat.of(checkpoint) is not ModelFormat.CHECKPOINT:
        raise HmaDepthError(f"{checkpoint} is an exported file; export the checkpoint itself")
    read_info(checkpoint)
    check_writable(output)


@contextmanager
def _workplace(output: Path) -> Iterator[Path]:
    """Hidden folder beside the output: what is finished there needs a new name and no more room.

    Raises:
        HmaDepthError: it cannot be made.

    """
    with ExitStack() as stack:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            made = temporary_folder(prefix=f".{output.stem}.", suffix=".part", beside=output.parent)
            folder = stack.enter_context(made)
        except OSError as error:
            raise HmaDepthError(f"cannot write {output}: {error.strerror}") from error
        yield folder


def _write_onnx(model: Any, metadata: Mapping[str, str], path: Path) -> None:
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())


def _write_openvino(
    model: Any, info: CheckpointInfo, record: ExportRecord, path: Path, *, half: bool
) -> None:
    """Twice, because the graph's file names the digest of the weights' file."""

    def write() -> None:
        import_openvino().save_model(model, path, compress_to_fp16=half)

    write()
    record = replace(record, weights=file_digest(path.with_suffix(".bin")))
    for key, value in export_metadata(info, record).items():
        model.set_rt_info(value, [key])
    write()


def _verify(
    path: Path, reference: TorchEngine, size: tuple[int, int], *, fixed: bool, precision: str
) -> Verification:
    """Compare all outputs of full size, and the depth of the file loaded as a checkpoint."""
    source = ModelSource(path)
    image, planes = frame_image(size), camera_input(source.info, size)
    maps: ScaleMaps = reference(image, planes)
    rows = to_rows(image) if fixed else pad(to_rows(image))
    inputs: dict[str, npt.NDArray[Any]] = {INPUT: rows}
    if planes is not None:
        inputs[PLANES] = plane_rows(planes, rows)
    runtime, run = _RUNTIMES[ModelFormat.of(path)]
    outputs = run(path, inputs)
    height, width = size
    attention = uncertainty = 0.0
    if maps.attentions:
        masks = outputs[ATTENTION][..., :height, :width]
        attention = float(np.median(np.abs(masks - maps.masks().numpy())))
    if maps.uncertainty is not None:
        sigma = outputs[UNCERTAINTY][..., :height, :width]
        uncertainty = _relative(sigma, maps.full_uncertainty().numpy())
    asked = "fp32" if runtime == "openvino" and precision != "int8" else precision
    engine = source.start(runtime, device="cpu", precision=asked, threads=0, warn=_LOG.warning)
    return Verification(
        depth=_relative(outputs[DEPTH][..., :height, :width], maps.depth().numpy()),
        attention=attention,
        uncertainty=uncertainty,
        through_package=source.check(engine).deviation,
        limit=TOLERANCES[precision],
    )


def _relative(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    return float(np.median(np.abs(found - expected) / expected))


def _run_onnx(
    path: Path, inputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[np.float32]]:
    session = import_onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _run_openvino(
    path: Path, inputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[np.float32]]:
    core = openvino_core()
    compiled = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: value for output, value in compiled(dict(inputs)).items()}


_RUNTIMES = {
    ModelFormat.ONNX: ("onnxruntime", _run_onnx),
    ModelFormat.OPENVINO: ("openvino", _run_openvino),
}
