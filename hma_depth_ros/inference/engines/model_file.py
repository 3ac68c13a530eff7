"""Files that a network can be loaded from: checkpoints, and what `export` makes of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hma_depth_ros.errors import HmaDepthError, one_line
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.inference.engines.conversion_cache import file_digest
from hma_depth_ros.inference.engines.onnx_conversion import onnx_metadata, read_onnx
from hma_depth_ros.inference.engines.openvino_core import openvino_core
from hma_depth_ros.inference.engines.self_check import GRID
from hma_depth_ros.network.checkpoint import (
    METADATA_KEY,
    CheckpointInfo,
    decode_info,
    encode_info,
    read_info,
)
from hma_depth_ros.network.model_config import LARGEST_INPUT, is_count, is_finite
from hma_depth_ros.structured_text import parse_json

EXPORT_KEY = "hma_depth_export"
PRECISIONS_OF_FILES = ("fp32", "fp16", "int8")


class ModelFormat(Enum):
    """Kind of a file, by its suffix."""

    CHECKPOINT = ".safetensors"
    ONNX = ".onnx"
    OPENVINO = ".xml"  #: with the weights in a file of the same name and suffix .bin

    @classmethod
    def of(cls, path: Path) -> ModelFormat:
        """Format of a file; what has no known suffix counts as a checkpoint."""
        suffix = path.suffix.lower()
        return cls(suffix) if suffix in (cls.ONNX.value, cls.OPENVINO.value) else cls.CHECKPOINT


@dataclass(frozen=True)
class ExportRecord:
    """What an exported file knows beside the checkpoint's metadata."""

    precision: str  #: of the stored graph: fp32, fp16 or int8
    source: str  #: SHA-256 of the checkpoint
    #: Of the self-check: the bundled frame at this size (h, w), ...
    reference_size: tuple[int, int]
    #: ... and the depths in metres that fp32 PyTorch gives on a grid of it.
    reference: tuple[float, ...]
    #: SHA-256 of the file of the weights, where they have one of their own (OpenVINO's .bin).
    weights: str = ""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS_OF_FILES:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS_OF_FILES)}")
        if not (isinstance(self.source, str) and isinstance(self.weights, str)):
            raise ValueError("source and weights must be digests")
        if not all(is_count(side, LARGEST_INPUT) for side in self.reference_size):
            raise ValueError(f"reference_size must be up to {LARGEST_INPUT} pixels each way")
        if len(self.reference) != GRID**2 or not all(is_finite(d) for d in self.reference):
            raise ValueError(f"reference must be {GRID**2} depths")


@dataclass(frozen=True)
class ExportedFile:
    """An exported file in memory."""

    model: Any  #: `onnx.ModelProto` or `openvino.Model`
    info: CheckpointInfo
    record: ExportRecord


def export_metadata(info: CheckpointInfo, record: ExportRecord) -> dict[str, str]:
    """Key-value pairs of an exported file."""
    return {METADATA_KEY: encode_info(info), EXPORT_KEY: json.dumps(asdict(record))}


def read_exported(path: Path) -> ExportedFile:
    """Read an exported file.

    Raises:
        HmaDepthError: it is not one, is damaged, or the package that reads it is missing.

    """
    if ModelFormat.of(path) is ModelFormat.ONNX:
        model = read_onnx(path)
        metadata = onnx_metadata(model)
    else:
        model, metadata = _read_openvino(path)
    if not {METADATA_KEY, EXPORT_KEY} <= metadata.keys():
        raise HmaDepthError(
            f"{path} is a model without '{METADATA_KEY}' metadata: not made by this package's "
            "`export` command"
        )
    try:
        content = parse_json(metadata[EXPORT_KEY])
        record = ExportRecord(
            content["precision"],
            content["source"],
            (content["reference_size"][0], content["reference_size"][1]),
            tuple(content["reference"]),
            content.get("weights", ""),
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise HmaDepthError(f"{path}: metadata '{EXPORT_KEY}' not understood: {error}") from error
    beside = path.with_suffix(".bin")
    if record.weights and file_digest(beside) != record.weights:
        raise HmaDepthError(
            f"{beside} is damaged or of another export than {path}; copy both again, or export anew"
        )
    return ExportedFile(model, decode_info(metadata[METADATA_KEY], path), record)


def _read_openvino(path: Path) -> tuple[Any, dict[str, str]]:
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            raise HmaDepthError(f"no checkpoint {file}")
        kind = known_kind(file)
        if kind and not kind.startswith("an XML text"):  # which the graph is
            raise HmaDepthError(f"{file} is {kind}")
    try:
        model = openvino_core().read_model(path)
        keys = [key for key in (METADATA_KEY, EXPORT_KEY) if model.has_rt_info([key])]
        return model, {key: str(model.get_rt_info([key]).astype(str)) for key in keys}
    except Exception as error:  # OpenVINO's own, and Python's of metadata that are no text
        reason = one_line(error)
        raise HmaDepthError(f"{path} is not a readable OpenVINO model: {reason}") from error


def read_model_info(path: Path) -> CheckpointInfo:
    """Metadata of a checkpoint or of an exported file.

    Raises:
        HmaDepthError: the file cannot be used.

    """
    if ModelFormat.of(path) is ModelFormat.CHECKPOINT:
        return read_info(path)
    return read_exported(path).info
