"""From the PyTorch model to OpenVINO's."""

from __future__ import annotations

import tempfile
from typing import Any

from torch.export import ExportedProgram

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import temporary_folder
from hma_depth_ros.inference.engines.exported_graph import (
    CHANNELS,
    INPUT,
    PLANES,
    Graph,
    trace,
    trace_quickly,
)
from hma_depth_ros.inference.engines.openvino_core import import_openvino, openvino_core
from hma_depth_ros.network.checkpoint import CheckpointInfo
from hma_depth_ros.network.model import HmaDepth


def convert_to_openvino(model: HmaDepth, info: CheckpointInfo) -> Any:
    """`openvino.Model` of the maps of the scales, for images of any multiple of 32.

    Raises:
        HmaDepthError: OpenVINO is not there or cannot do it.

    """
    graph = Graph(model, info.preprocessing, full=False)
    converted = convert_graph(graph, trace_quickly(graph))
    if _any_size(converted):
        return converted
    return convert_graph(graph, trace(graph, None))


def _any_size(model: Any) -> bool:
    """Whether rows and columns of every output follow from the input's."""
    return all(output.partial_shape[axis].is_dynamic for output in model.outputs for axis in (2, 3))


def convert_graph(
    graph: Graph, program: ExportedProgram, size: tuple[int, int] | None = None
) -> Any:
    """Convert a recorded graph and name its inputs and outputs.

    `size` is the (H, W) that it was recorded for, None if it takes any: OpenVINO forgets it.

    Raises:
        HmaDepthError: OpenVINO is not there or cannot do it.

    """
    openvino = import_openvino()
    try:
        model = openvino.convert_model(program)
    except Exception as error:  # its converters raise whatever they please
        raise HmaDepthError(f"OpenVINO cannot convert this model: {error}") from error
    for tensor, name in zip(model.inputs, graph.input_names, strict=True):
        tensor.set_names({name})
    for output, name in zip(model.outputs, graph.output_names, strict=True):
        output.set_names({name})
    if size is not None:
        shapes = {INPUT: [-1, *size, CHANNELS]}
        if PLANES in graph.input_names:
            shapes[PLANES] = [-1, graph.model.config.camera_planes, *size]
        model.reshape(shapes)
    return model


def model_to_parts(model: Any) -> dict[str, bytes]:
    """Graph and weights of a model as bytes.

    Raises:
        HmaDepthError: there is no room for temporary files, the only way that OpenVINO offers.

    """
    openvino = import_openvino()
    try:
        with temporary_folder(prefix="hma_depth_model_") as folder:
            xml, weights = folder / "model.xml", folder / "model.bin"
            openvino.serialize(model, xml, weights)
            return {"graph": xml.read_bytes(), "weights": weights.read_bytes()}
    except (OSError, RuntimeError) as error:
        raise HmaDepthError(
            f"OpenVINO cannot write the converted model to {tempfile.gettempdir()}: {error}; set "
            "TMPDIR to a folder with room"
        ) from error


def model_from_parts(parts: dict[str, bytes]) -> Any:
    """Model of what `model_to_parts` made."""
    import numpy as np

    openvino = import_openvino()
    weights = openvino.Tensor(np.frombuffer(parts["weights"], np.uint8))
    return openvino_core().read_model(parts["graph"], weights)
