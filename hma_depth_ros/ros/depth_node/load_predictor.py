"""From the node's parameters to a predictor that has passed its self-check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from hma_depth_ros.assets import default_checkpoint, named_checkpoint
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.cloud_filter import CloudFilter
from hma_depth_ros.inference.engines.engine_choice import (
    EngineRequest,
    StartedEngine,
    start_engine,
)
from hma_depth_ros.inference.engines.model_file import ModelFormat
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.renewable_engine import RenewableEngine
from hma_depth_ros.inference.engines.threads import leave_cores_to
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.ros.depth_node.engine_recovery import Measure
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters


class LoadedModel:
    """An engine, its checkpoint, and what is to be said about them."""

    def __init__(
        self,
        parameters: DepthNodeParameters,
        *,
        side_by_side: int = 1,
        warn: Callable[[str], object],
    ) -> None:
        """Load, choose engine and precision, check.

        Args:
            parameters: of the node.
            side_by_side: images that may be in the network at the same time, where the engine can
                have several.
            warn: is told what is not as it was asked for.

        Raises:
            HmaDepthError: checkpoint, device, engine or precision cannot be used.

        """
        self.checkpoint = (
            named_checkpoint(parameters.checkpoint).expanduser()
            if parameters.checkpoint
            else default_checkpoint()
        )
        source = ModelSource(self.checkpoint)
        self.info, self._format, self._identity = source.info, source.format, source.identity
        self._request = EngineRequest(
            engine=parameters.engine,
            precision=parameters.precision,
            device=parameters.device,
            threads=parameters.threads,
            compiled=parameters.compile,
            side_by_side=side_by_side,
        )
        self._checked, self._warn = parameters.self_check, warn
        self.started = self._start(source, self._request)
        self.engine = RenewableEngine(self.started.engine, threads=self._request.threads)
        leave_cores_to(self.engine, self._request.threads)  # for what comes before the network

    def _start(self, source: ModelSource, request: EngineRequest) -> StartedEngine:
        return start_engine(source, request, self_check=self._checked, warn=self._warn)

    def measures(self) -> list[Measure]:
        """What may help an engine that fails, in the order in which it is to be tried."""
        again = Measure("the engine is started anew", self._restart)
        plain = Measure(
            "fp32 on the CPU takes over until the node is configured again",
            self._fall_back,
            gives_memory=True,
        )
        engine = self.engine
        is_plain = (engine.precision, engine.device.type) == ("fp32", "cpu") and (
            engine.name == "torch" or self._format is not ModelFormat.CHECKPOINT
        )
        return [again] if is_plain else [again, plain]

    def _restart(self, _reason: str) -> None:
        self._replace(self._start(self._source(), self._request))

    def _fall_back(self, reason: str) -> None:
        source = self._source()
        request = replace(
            self._request,
            engine=source.plain_engine,
            precision=source.plain_precision,
            device="cpu",
            compiled=False,
        )
        self._replace(replace(self._start(source, request), fallback=reason))

    def _replace(self, started: StartedEngine) -> None:
        """Take another engine; predictors have it from their next image on."""
        self.started = started
        self.engine.replace(started.engine)

    def _source(self) -> ModelSource:
        """Read the file again: to have kept the network would have cost its memory.

        Raises:
            HmaDepthError: it cannot be used any more, or is another one by now.

        """
        source = ModelSource(self.checkpoint)
        if source.identity != self._identity:
            raise HmaDepthError(f"{self.checkpoint} has changed since it was loaded")
        return source

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
            cloud_filter=CloudFilter(
                stride=parameters.cloud_stride,
                min_range=parameters.min_range,
                min_angle=parameters.edge_filter,
                min_confidence=parameters.min_confidence,
            ),
            mount=Mount(parameters.camera_height, parameters.camera_pitch),
            scale=parameters.depth_scale,
        )

    def setup(self) -> dict[str, str]:
        """What the diagnostics say about the model."""
        setup = {
            "engine": self.engine.name,
            "precision": self.engine.precision,
            "device": self.engine.hardware,
            "checkpoint": str(self.checkpoint),
            "encoder": self.info.model.encoder,
            "self-check": self.started.self_check,
        }
        if self.engine.device.type == "cuda":
            # What PyTorch holds, as nvidia-smi counts it, beside the libraries' own.
            used = torch.cuda.memory_reserved(self.engine.device) / 2**20
            setup["device memory [MiB]"] = f"{used:.0f}"
        return setup
