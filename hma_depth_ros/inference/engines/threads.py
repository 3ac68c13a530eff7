"""Who gets the CPU's cores."""

from __future__ import annotations

import cv2
import torch

from hma_depth_ros.inference.engines.engine import Engine


def leave_cores_to(engine: Engine) -> None:
    """Give PyTorch and OpenCV one thread in this process where another runtime has the network.

    What is left to them takes a few milliseconds in one thread. A second one saves little of that,
    and where the runtime's or DDS's threads have its core, the first waits for it at every barrier:
    on two busy cores hundreds of milliseconds.
    """
    if (engine.name, engine.device.type) != ("torch", "cpu"):
        torch.set_num_threads(1)
    cv2.setNumThreads(1)
