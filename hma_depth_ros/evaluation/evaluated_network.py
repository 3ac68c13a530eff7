"""The network whose figures are published: in fp32 unless something else is asked for."""

from __future__ import annotations

import logging
from pathlib import Path

from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor

_LOG = logging.getLogger(__name__)


def evaluated_network(
    path: Path,
    *,
    device: str = "auto",
    engine: str | None = None,
    precision: str | None = None,
    mount: Mount = USUAL_MOUNT,
) -> DepthPredictor:
    """Load a checkpoint or an exported file as it is to be scored.

    Args:
        path: of the file.
        device: auto, cpu, cuda, cuda:N; OpenVINO's gpu.
        engine: None is PyTorch, for an exported file a runtime that takes it; auto the fastest.
        precision: None is fp32 on every device and engine, for a file that was exported in another
            precision its own; auto is the fastest.
        mount: of the camera, for a network that is told the ground.

    Raises:
        HmaDepthError: one of them cannot be used.

    """
    source = ModelSource(path)
    request = EngineRequest(
        engine=source.plain_engine if engine is None else engine,
        precision=source.plain_precision if precision is None else precision,
        device=device,
    )
    # What an engine deviates by shows in the figures.
    chosen = start_engine(source, request, self_check=False, warn=_LOG.warning).engine
    return DepthPredictor(chosen, source.info, mount=mount)


def computed_by(predictor: DepthPredictor) -> dict[str, str]:
    """Engine, precision and hardware, for reports."""
    engine = predictor.engine
    return {"engine": engine.name, "precision": engine.precision, "hardware": engine.hardware}
