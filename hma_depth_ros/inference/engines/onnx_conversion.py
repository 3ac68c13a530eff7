"""From the PyTorch model to an ONNX file, and what ONNX files say about themselves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.inference.engines.engine import MissingPackageError
from hma_depth_ros.inference.engines.exported_graph import Graph, trace

#: Understood by ONNX Runtime from 1.14 and TensorRT from 8.6 on.
OPSET = 18


def import_onnx() -> Any:
    """Import the package.

    Raises:
        MissingPackageError: it is not installed, or does not load.

    """
    try:
        import onnx
        import onnx.utils
    except ImportError as error:
        raise MissingPackageError(
            f"ONNX cannot be used ({error}); install it with 'pip install onnx onnxscript "
            "onnxruntime'"
        ) from error
    return onnx


def convert_to_onnx(graph: Graph, size: tuple[int, int] | None) -> Any:
    """`onnx.ModelProto` with named input and outputs, for (H, W) or with None any multiple of 32.

    Raises:
        HmaDepthError: a package is missing.

    """
    import_onnx()
    try:
        import onnxscript  # noqa: F401  PyTorch's exporter is built on it
    except ImportError as error:
        raise MissingPackageError(
            f"PyTorch needs onnxscript to write ONNX ({error}); install it with "
            "'pip install onnxscript'"
        ) from error
    program = trace(graph, size)
    # It reports on other packages' operators, which are of no concern here.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(
                program,
                input_names=graph.input_names,
                output_names=graph.output_names,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert exported is not None
    return exported.model_proto


def read_onnx(path: Path) -> Any:
    """Read an ONNX file.

    Raises:
        HmaDepthError: it is not one, or the package is missing.

    """
    onnx = import_onnx()
    try:
        # What `export` writes is one file: no other one that it may name is opened.
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise HmaDepthError(f"no checkpoint {path}") from error
    except Exception as error:  # protobuf's own, which differ between its versions
        what = known_kind(path) or f"not a readable ONNX file: {' '.join(str(error).split())}"
        raise HmaDepthError(f"{path} is {what}") from error
    if not model.graph.node:
        what = known_kind(path) or "not a readable ONNX file: it holds no graph"
        raise HmaDepthError(f"{path} is {what}")
    if problem := _not_of_export(model):
        raise HmaDepthError(f"{path} is not made by this package's `export` command: {problem}")
    return model


def _not_of_export(model: Any) -> str | None:
    """What a graph has that no network of ours has; None if there is nothing."""
    # Of loops and branches a graph could be made that never ends.
    odd = [
        node.op_type
        for node in model.graph.node
        if any(a.HasField("g") or a.graphs for a in node.attribute)
    ]
    if odd:
        return f"it has graphs within its graph ({odd[0]})"
    if model.functions:
        return "it has functions"
    tensors = [*model.graph.initializer, *(a.t for n in model.graph.node for a in n.attribute)]
    if any(tensor.external_data for tensor in tensors):
        return "its weights are in other files"
    inputs = model.graph.input
    if not inputs or len(inputs[0].type.tensor_type.shape.dim) != 4:
        return "its input is no image"
    return None


def onnx_metadata(model: Any) -> dict[str, str]:
    """The file's own key-value pairs."""
    return {entry.key: entry.value for entry in model.metadata_props}


def only_outputs(model: Any, names: Sequence[str]) -> Any:
    """The model without all that the named outputs do not need.

    Raises:
        HmaDepthError: it has no output of such a name.

    """
    onnx = import_onnx()
    missing = set(names) - {output.name for output in model.graph.output}
    if missing:
        raise HmaDepthError(f"the ONNX model has no output '{sorted(missing)[0]}'")
    extractor = onnx.utils.Extractor(model)
    return extractor.extract_model([tensor.name for tensor in model.graph.input], list(names))


def onnx_fixed_size(model: Any) -> tuple[int, int] | None:
    """(H, W) of a model that takes one size only."""
    shape = model.graph.input[0].type.tensor_type.shape.dim
    rows, columns = shape[1].dim_value, shape[2].dim_value
    return (rows, columns) if rows and columns else None
