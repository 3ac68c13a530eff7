"""The log of a training run, as `RunFolder` describes it, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.structured_text import parse_json


class LoggedValidation(BaseModel):
    """A line of a validation."""

    step: int
    epoch: int
    validation: dict[str, dict[str, float]]  #: mean metrics by drive; `all` is every frame
    mask_shares: list[float] = []
    trained_share: float = 1.0  #: of what training changed; 0: the weights that it started from


@dataclass
class TrainingLog:
    """All that was logged, in order."""

    #: Figures of the latest steps, by name: step and value.
    steps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    validations: list[LoggedValidation] = field(default_factory=list)
    #: Of weights on the way from the start to those of an epoch.
    blends: list[LoggedValidation] = field(default_factory=list)
    last_step: int = 0


def read_training_log(path: Path) -> TrainingLog:
    """The log of a run; a last line that was cut short by a crash is left out.

    Args:
        path: its metrics.jsonl.

    Raises:
        HmaDepthError: it cannot be read, or has nothing in it.

    """
    nothing = HmaDepthError(
        f"{path} holds nothing yet: a run writes there every run.log_every steps, and when it "
        "validates"
    )
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise nothing from None
    except (OSError, ValueError) as error:
        raise HmaDepthError(f"cannot read the log {path}: {error}") from error
    log = TrainingLog()
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith("\n"):
            continue
        try:
            content = parse_json(line)
            if "validation" in content:
                found = LoggedValidation.model_validate(content)
                (log.validations if found.trained_share == 1 else log.blends).append(found)
            else:
                _add_step(log, content)
            log.last_step = int(content["step"])
        except (ValueError, TypeError, KeyError, AttributeError, ValidationError) as error:
            raise HmaDepthError(
                f"{path}, line {number}, is not what train logs: {type(error).__name__}"
            ) from error
    if not (log.steps or log.validations or log.blends):
        raise nothing
    return log


def _add_step(log: TrainingLog, content: Mapping[str, Any]) -> None:
    for name, value in content.items():
        if name not in {"step", "epoch"}:
            log.steps.setdefault(name, []).append((float(content["step"]), float(value)))
