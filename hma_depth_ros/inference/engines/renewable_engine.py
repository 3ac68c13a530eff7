"""An engine that can be replaced under those who hold it."""

from __future__ import annotations

import torch
from torch import Tensor

from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.network.model import ScaleMaps


class RenewableEngine:
    """Fulfils `Engine` by the one that it was given last.

    So predictors need not be made anew, nor told, when an engine that fails gives way to another.
    """

    name: str
    precision: str
    device: torch.device
    hardware: str

    def __init__(self, engine: Engine) -> None:
        """Begin with an engine."""
        self.replace(engine)

    def replace(self, engine: Engine) -> None:
        """Take another one, between two images."""
        self.current = engine
        self.name, self.precision = engine.name, engine.precision
        self.device, self.hardware = engine.device, engine.hardware

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`."""
        return self.current(image, planes)
