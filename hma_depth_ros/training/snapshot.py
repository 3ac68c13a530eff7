"""The whole state of a run in one file, from which it goes on as if it had never stopped.

Tensors and JSON in a safetensors file, so that nothing is unpickled. What is a function of seed and
step (order of the frames, augmentation, dropout, learning rate) is not stored.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.structured_text import parse_json

METADATA_KEY = "hma_depth_run"
FORMAT = 1


@dataclass
class RunProgress:
    """How far a run has come."""

    step: int = 0  #: that comes next, of the whole run
    skipped: int = 0  #: steps whose gradient was not finite
    failures: int = 0  #: of them, those since the last one whose gradient was (`run.patience`)
    best: float | None = None  #: of the validation metric
    best_epoch: int | None = None  #: counted from 0; -1: before the first step
    best_share: float = 1.0  #: of what training had changed by then (`validation.blends`)
    scaler: dict[str, float] = field(default_factory=dict)  #: of fp16's loss scaling


@dataclass
class Trained:
    """What training changes."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: nn.Module | None

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, not copied."""
        found = {f"model/{name}": t for name, t in self.model.state_dict().items()}
        if self.average is not None:
            found |= {f"average/{name}": t for name, t in self.average.state_dict().items()}
        for index, values in self.optimiser.state_dict()["state"].items():
            found |= {f"optimiser/{index}/{key}": t for key, t in values.items()}
        return found

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over the values of `tensors`, which must be all that there are.

        Raises:
            ValueError: they are of another model or another optimiser.

        """
        self._restore_module(self.model, "model/", tensors)
        if self.average is not None:
            self._restore_module(self.average, "average/", tensors)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser/"):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = value
        content = self.optimiser.state_dict()
        count = sum(len(group["params"]) for group in content["param_groups"])
        if state and set(state) != set(range(count)):
            raise ValueError("it is of another optimiser")
        self.optimiser.load_state_dict({**content, "state": state})
        for parameter, values in self.optimiser.state.items():
            for key, value in values.items():
                if value.shape == parameter.shape:
                    # With the parameter's strides (channels_last), as training had it: other
                    # strides take other loops, which may round differently.
                    values[key] = torch.empty_like(parameter).copy_(value)

    @staticmethod
    def _restore_module(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        try:
            module.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(str(error).partition("\n")[2].strip() or str(error)) from error


def write_snapshot(path: Path, trained: Trained, progress: RunProgress) -> None:
    """Write the state atomically: the snapshot before stays until this one is complete.

    Raises:
        HmaDepthError: the file cannot be written (disk full); the snapshot before is still there.

    """
    metadata = {METADATA_KEY: json.dumps({"format": FORMAT, **asdict(progress)})}
    tensors = {name: t.detach().cpu().contiguous() for name, t in trained.tensors().items()}
    with atomic_path(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            raise HmaDepthError(
                f"cannot write {path}: {error}; make room and go on with --resume"
            ) from error


def read_snapshot(path: Path, trained: Trained) -> RunProgress:
    """Put the state back into `trained`.

    Raises:
        HmaDepthError: no such file, damaged, or of another run.

    """
    if not path.is_file():
        raise HmaDepthError(
            f"there is no {path}: nothing to resume; delete the folder and start the run anew"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = parse_json(metadata[METADATA_KEY])
        if content.pop("format") != FORMAT:
            raise ValueError("it was written by a newer version")
        trained.load(tensors)
        return RunProgress(**content)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise HmaDepthError(f"{path} cannot be resumed from: {error}") from error
