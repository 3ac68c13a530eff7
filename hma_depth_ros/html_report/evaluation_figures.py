"""What `evaluate_*` writes as JSON, checked: it may be of another version, or someone's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from hma_depth_ros.errors import HmaDepthError

Means = dict[str, float]
Ends = tuple[float, float]


class DepthBin(BaseModel):
    """Errors over the pixels of some distance; metres."""

    start: float = Field(alias="from")
    to: float
    pixels: int
    abs_rel: float
    rmse: float
    bias: float


class DriveFigures(BaseModel):
    """Of one drive or scene."""

    images: int
    mean: Means


class SigmaShares(BaseModel):
    """How many errors are within what is stated."""

    pixels: int
    within_1_sigma: float
    within_2_sigma: float
    mean_sigma: float
    mean_log_error: float


class SigmaBin(SigmaShares):
    """The same, of some distance in metres."""

    start: float = Field(alias="from")
    to: float


class Calibration(BaseModel):
    """By true distance and by predicted one."""

    overall: SigmaShares
    by_depth: list[SigmaBin]
    by_predicted_depth: list[SigmaBin]


class ReliabilityContent(BaseModel):
    """See `ReliabilityFigures`."""

    images: int
    ause: dict[str, Means]
    share_removed: list[float]
    remaining: dict[str, dict[str, list[float]]]
    calibration: Calibration


class ProtocolFigures(BaseModel):
    """Of one protocol and cap."""

    per_image: dict[str, Means]
    mean: Means
    confidence_95: dict[str, Ends]
    confidence_95_over_scenes: dict[str, Ends] | None = None
    pixels: int
    by_depth: list[DepthBin]
    by_drive: dict[str, DriveFigures]
    reliability: ReliabilityContent | None = None
    boundaries: dict[str, Any] | None = None


class DifferenceFigures(BaseModel):
    """See `Difference`."""

    first: float
    second: float
    difference: float
    confidence_95: Ends
    confidence_95_over_scenes: Ends | None = None
    scenes: int = 0  #: 0, and not sure: of a version that did not say so
    sure: bool = False


class ComparedFigures(BaseModel):
    """Of one protocol and cap, several networks."""

    mean: dict[str, Means]
    minus_first: dict[str, dict[str, DifferenceFigures]]
    per_image: dict[str, dict[str, Means]]


def is_comparison(content: Mapping[str, Any]) -> bool:
    """Whether several networks were scored."""
    figures = [value for key, value in content.items() if key != "run"]
    return bool(figures) and all(isinstance(f, dict) and "minus_first" in f for f in figures)


def evaluation_figures(content: Mapping[str, Any], where: str) -> dict[str, ProtocolFigures]:
    """Figures by `Protocol.key`.

    Args:
        content: of the JSON.
        where: it is from, for messages.

    Raises:
        HmaDepthError: it is not what `evaluate_*` writes.

    """
    return _checked(content, dict[str, ProtocolFigures], where)


def compared_figures(content: Mapping[str, Any], where: str) -> dict[str, ComparedFigures]:
    """Figures by `Protocol.key` of several networks; see `evaluation_figures`."""
    return _checked(content, dict[str, ComparedFigures], where)


def _checked(content: Mapping[str, Any], kind: Any, where: str) -> Any:
    figures = {key: value for key, value in content.items() if key != "run"}
    try:
        found = TypeAdapter(kind).validate_python(figures)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HmaDepthError(
            f"{where} is not what evaluate_* --json writes: {place}: {first['msg']}"
        ) from error
    if not found or not all(value.mean for value in found.values()):
        raise HmaDepthError(f"{where} holds no figures of an evaluation")
    return found
