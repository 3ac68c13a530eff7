"""What `benchmark --json` writes, checked; times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from hma_depth_ros.errors import HmaDepthError


class TimingFigures(BaseModel):
    """See `Timing.figures`."""

    median: float
    quartiles: tuple[float, float]
    cpu_median: float | None = None
    count: int


class ModelTimings(TimingFigures):
    """Of a network alone."""

    images_per_second: float
    memory_bytes: int
    hardware: str = ""


class ModelFigures(BaseModel):
    """Of `benchmark model`."""

    size: tuple[int, int]
    gflop: float
    matrix_product_gflops: dict[str, float] = {}
    left_out: dict[str, str] = {}
    stage_gflop: dict[str, float] = {}
    stages: dict[str, dict[str, TimingFigures]] = {}
    candidates: dict[str, ModelTimings]


class PredictorTimings(TimingFigures):
    """From an image to depth, masks and cloud."""

    stages: dict[str, TimingFigures]
    batched: dict[str, TimingFigures] = {}
    one_by_one: dict[str, TimingFigures] = {}
    memory_bytes: int


class PredictorFigures(BaseModel):
    """Of `benchmark predictor`."""

    image_size: tuple[int, int]
    network_size: tuple[int, int]
    outputs: list[str]
    left_out: dict[str, str] = {}
    candidates: dict[str, PredictorTimings]


class NodeTimings(BaseModel):
    """One node, or several."""

    cameras: int
    nodes: int
    frames: int
    rates: dict[str, float]  #: messages a second by topic
    end_to_end: TimingFigures
    period: TimingFigures
    stages: dict[str, TimingFigures]
    forward_alone: TimingFigures
    peak_bytes: int


class NodeFigures(BaseModel):
    """Of `benchmark node`."""

    left_out: dict[str, str] = {}
    candidates: dict[str, NodeTimings]


class MeasuredFigures(BaseModel):
    """See `Measured`."""

    items: int
    seconds: float
    cpu_seconds: float
    per_second: float


class LoaderFigures(BaseModel):
    """Of `benchmark loader`."""

    crops: MeasuredFigures
    pairs: MeasuredFigures
    stages_ms: dict[str, float]


Kind = Literal["model", "predictor", "node", "loader"]
BenchmarkFigures = ModelFigures | PredictorFigures | NodeFigures | LoaderFigures
_KINDS: dict[Kind, type[BenchmarkFigures]] = {
    "model": ModelFigures,
    "predictor": PredictorFigures,
    "node": NodeFigures,
    "loader": LoaderFigures,
}


def is_benchmark(content: Mapping[str, Any]) -> bool:
    """Whether a JSON is of `benchmark`."""
    arguments = content.get("arguments")
    return isinstance(arguments, Mapping) and "part" in arguments


def benchmark_figures(content: Mapping[str, Any], where: str) -> BenchmarkFigures:
    """Figures of the part that was measured.

    Args:
        content: of the JSON.
        where: it is from, for messages.

    Raises:
        HmaDepthError: it is not what `benchmark` writes.

    """
    part = content["arguments"]["part"]
    if part not in _KINDS:
        raise HmaDepthError(f"{where} is of `benchmark {part}`, which is not known here")
    try:
        found = _KINDS[part].model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise HmaDepthError(
            f"{where} is not what benchmark --json writes: {place}: {first['msg']}"
        ) from error
    if not isinstance(found, LoaderFigures) and not found.candidates:
        raise HmaDepthError(f"{where} holds no figures: every candidate was left out")
    return found
