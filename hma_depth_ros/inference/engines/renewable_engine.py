"""An engine that can be replaced under those who hold it."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.threads import leave_cores_to
from hma_depth_ros.network.model import ScaleMaps


class RenewableEngine:
    """Fulfils `Engine` by the one that it was given last.

    So predictors need not be made anew, nor told, when an engine that fails gives way to another.
    """

    name: str
    precision: str
    device: torch.device
    hardware: str
    side_by_side: int

    def __init__(self, engine: Engine, *, threads: int = 0) -> None:
        """Begin with an engine; `threads` are PyTorch's, as of `leave_cores_to`."""
        self._threads = threads
        self.replace(engine)

    def replace(self, engine: Engine) -> None:
        """Take another one, from the next call on; calls under way are the old one's."""
        # As many threads as there may have been for the old one go on calling.
        self._running = engine, threading.BoundedSemaphore(engine.side_by_side)
        self.name, self.precision = engine.name, engine.precision
        self.device, self.hardware = engine.device, engine.hardware
        self.side_by_side = engine.side_by_side

    @property
    def current(self) -> Engine:
        """The one that is called now."""
        return self._running[0]

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """See `Engine`; waits where more threads call than the engine can have."""
        engine, gate = self._running
        with gate:
            leave_cores_to(engine, self._threads)  # the thread may be set for the engine before
            return engine(image, planes)
