"""From the node's parameters to a predictor that has passed its self-check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.engine import Engine, choose_device
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.self_check import self_check
from hma_depth_ros.inference.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import CheckpointInfo, load_checkpoint
from hma_depth_ros.ros.parameters import DepthNodeParameters


class LoadedModel:
    """An engine, its checkpoint, and what is to be said about them."""

    def __init__(self, parameters: DepthNodeParameters, *, warn: Callable[[str], object]) -> None:
        """Load, choose the precision, check.

        Raises:
            HmaDepthError: checkpoint, device or precision cannot be used.

        """
        if parameters.threads:
            torch.set_num_threads(parameters.threads)
        self.checkpoint = (
            Path(parameters.checkpoint).expanduser()
            if parameters.checkpoint
            else default_checkpoint()
        )
        self.engine, self.info = self._load(parameters.device, parameters.precision)
        self.self_check = "off"
        # On the CPU in fp32, torch is the reference itself.
        is_reference = self.engine.device.type == "cpu" and self.engine.precision == "fp32"
        if parameters.self_check and is_reference:
            self.self_check = "is the reference"
        elif parameters.self_check:
            self._check(parameters.device, warn)

    def _load(self, device: str, precision: str) -> tuple[Engine, CheckpointInfo]:
        model, info = load_checkpoint(self.checkpoint)
        chosen = choose_device(device)
        return TorchEngine(model, info.preprocessing, device=chosen, precision=precision), info

    def _check(self, device: str, warn: Callable[[str], object]) -> None:
        outcome = self_check(self.engine, self.checkpoint)
        found = f"median deviation {outcome.deviation:.2e} of {outcome.tolerance:.0e} allowed"
        self.self_check = f"{'passed' if outcome.passed else 'failed'}, {found}"
        if not outcome.passed:
            warn(
                f"{self.engine.name} in {self.engine.precision} on {self.engine.device} does not "
                f"reproduce the network ({found}); falling back to precision:=fp32"
            )
            self.engine, self.info = self._load(device, "fp32")

    def predictor(self, parameters: DepthNodeParameters) -> DepthPredictor:
        """Wrap the engine in the pre- and post-processing that the parameters ask for."""
        return DepthPredictor(
            self.engine,
            self.info,
            region=parameters.network_region(),
            input_width=parameters.input_width or None,
            resolution="network" if parameters.resolution == "network" else "image",
            max_range=parameters.max_range or None,
            cloud_layout=CloudLayout[parameters.cloud_layout.upper()],
        )

    def setup(self) -> dict[str, str]:
        """What the diagnostics say about the model."""
        setup = {
            "engine": self.engine.name,
            "precision": self.engine.precision,
            "device": str(self.engine.device),
            "checkpoint": str(self.checkpoint),
            "encoder": self.info.model.encoder,
            "self-check": self.self_check,
        }
        if self.engine.device.type == "cuda":
            used = torch.cuda.memory_allocated(self.engine.device) / 2**20
            setup |= {
                "device": f"{self.engine.device} {torch.cuda.get_device_name(self.engine.device)}",
                "device memory [MiB]": f"{used:.0f}",
            }
        return setup
