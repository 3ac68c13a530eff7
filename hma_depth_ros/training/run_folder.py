"""The folder of a training run: what it was, how it went, and what came out."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hma_depth_ros import __version__
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path, shown
from hma_depth_ros.structured_text import parse_json
from hma_depth_ros.training.config_file import load_config, write_config
from hma_depth_ros.training.run_config import TrainConfig

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "opencv-python-headless", "safetensors")


class RunFolder:
    """Files of a run::

    config.yaml           the whole configuration, as --config takes it
    environment.json      versions, devices, git revision, command, lists of frames
    metrics.jsonl         a line for each logged step and each validation
    tensorboard/          the same as curves, and pictures
    last.safetensors      checkpoint after the latest epoch
    best.safetensors      checkpoint of the best validation
    state.safetensors     snapshot that --resume goes on from
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tensorboard"
        self.last = path / "last.safetensors"
        self.best = path / "best.safetensors"
        self.state = path / "state.safetensors"

    def create(self, config: TrainConfig, data: Mapping[str, Any]) -> None:
        """Start a run.

        Raises:
            HmaDepthError: there is one already, or the folder cannot be written.

        """
        if self.config.exists():
            raise HmaDepthError(
                f"{self.path} holds a run already: go on with it by --resume {self.path}, or name "
                "another folder"
            )
        if shown(self.path.absolute()) != str(self.path.absolute()):
            raise HmaDepthError(
                f"{shown(self.path)}: safetensors and TensorBoard take names in UTF-8 only; name "
                "another folder"
            )
        write_config(self.config, config)
        content = json.dumps({**environment(), "data": data}, indent=2)
        with atomic_path(self.environment) as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")

    def read_config(self) -> TrainConfig:
        """Configuration of the run that is there.

        Raises:
            HmaDepthError: there is none, or it cannot be read.

        """
        if not self.config.is_file():
            raise HmaDepthError(f"{self.path} holds no training run (no {self.config.name})")
        return load_config(file=self.config)

    def check_lists(self, data: Mapping[str, Any]) -> None:
        """Refuse to go on with lists that are not those of the run's beginning.

        Raises:
            HmaDepthError: one has changed, or the record of them cannot be read.

        """
        try:
            recorded = parse_json(self.environment.read_text(encoding="utf-8"))["data"]
            before = {name: entry["sha256"] for name, entry in recorded.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise HmaDepthError(
                f"cannot read the run's lists from {self.environment}: {error}"
            ) from error
        for name, entry in data.items():
            if entry["sha256"] != before.get(name):
                raise HmaDepthError(
                    f"the list {name} is not what it was when {self.path} began; restore it, or "
                    "start a new run"
                )

    def log(self, line: Mapping[str, Any]) -> None:
        """Append a line to the metrics.

        Raises:
            HmaDepthError: it cannot be written.

        """
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise HmaDepthError(f"cannot write {self.metrics}: {error.strerror}") from error

    def forget_after(self, step: int) -> None:
        """Remove what was logged after `step` steps, which a resumed run does again."""
        if not self.metrics.is_file():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines(
            keepends=True
        ):
            if (logged := _logged_step(line)) is not None and logged <= step:
                kept.append(line)
        with atomic_path(self.metrics) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")


def _logged_step(line: str) -> int | None:
    """Step of a line of the metrics; None if a killed run or a power cut left no whole line."""
    try:
        content = parse_json(line) if line.endswith("\n") else None
    except ValueError:
        return None
    return content.get("step") if isinstance(content, dict) else None


def environment() -> dict[str, Any]:
    """What a run's figures may depend on beside its configuration."""
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "code_version": __version__,
        "git": git_revision(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "machine": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if devices else None,
        "gpus": devices,
    }


def git_revision() -> str | None:
    """Commit of the code, `-dirty` with changes of its own; None where it is no git checkout."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
