"""From the node's parameters to a predictor that has passed its self-check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.cloud_filter import CloudFilter
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.threads import leave_cores_to
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.predictor import DepthPredictor
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
        if parameters.threads:
            torch.set_num_threads(parameters.threads)
        self.checkpoint = (
            Path(parameters.checkpoint).expanduser()
            if parameters.checkpoint
            else default_checkpoint()
        )
        source = ModelSource(self.checkpoint)
        self.info = source.info
        request = EngineRequest(
            engine=parameters.engine,
            precision=parameters.precision,
            device=parameters.device,
            threads=parameters.threads,
            compiled=parameters.compile,
            side_by_side=side_by_side,
        )
        self.started = start_engine(source, request, self_check=parameters.self_check, warn=warn)
        self.engine = self.started.engine
        leave_cores_to(self.engine)

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
