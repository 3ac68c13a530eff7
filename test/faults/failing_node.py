"""The depth node's process with engines that fail as told: `failing_node.py FILE --ros-args ...`.

FILE is JSON: `fault` (raise, memory, nan, hang or nothing at all), `engines` (numbers of those that
it befalls, in the order in which they were started, from 1 on) and `times` (images; all if null).
It is read for every image, so that a test can change it while the node runs. An engine that hangs
does so until FILE is another.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from hma_depth_ros import signals
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.spin import run_node


class Faults:
    """What is to happen, by the file."""

    def __init__(self, path: Path) -> None:
        self._path, self._text, self._left = path, "", 0.0
        self.started = 0  # engines

    def now(self, number: int) -> str:
        """Fault of one more image that goes through an engine."""
        text = self._path.read_text()
        order = json.loads(text)
        if text != self._text:
            times = order.get("times")
            self._text, self._left = text, float("inf") if times is None else times
        if number not in order.get("engines", [number]) or not self._left:
            return ""
        self._left -= 1
        return str(order.get("fault", ""))

    def hang(self) -> None:
        """Do not return as long as the file stays as it was when `now` read it."""
        while self._path.read_text() == self._text:
            time.sleep(0.05)


class FailingEngine:
    """Another engine, on which a fault may come."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine, self._faults = engine, faults
        faults.started += 1
        self._number = faults.started
        self.name, self.precision = engine.name, engine.precision
        self.device, self.hardware = engine.device, engine.hardware
        self.side_by_side = engine.side_by_side

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        fault = self._faults.now(self._number)
        if fault == "raise":
            raise RuntimeError(f"engine {self._number} has a fault\nand more lines")
        if fault == "memory":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        if fault == "hang":
            self._faults.hang()
        maps = self._engine(image, planes)
        if fault == "nan":  # in the upper left quarter
            finest = maps.depths[-1]
            finest[..., : finest.shape[-2] // 2, : finest.shape[-1] // 2] = torch.nan
        return maps


def main() -> int:
    faults = Faults(Path(sys.argv[1]))
    start = ModelSource.start

    def failing(self: ModelSource, *args: Any, **kwargs: Any) -> FailingEngine:
        return FailingEngine(start(self, *args, **kwargs), faults)

    signals.take_over("depth_node", is_node=True)
    with mock.patch.object(ModelSource, "start", failing):
        run_node("depth_node", lambda stop: DepthNode(stop=stop), sys.argv[2:])
    return signals.finish(0)


if __name__ == "__main__":
    sys.exit(main())
