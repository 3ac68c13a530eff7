"""Who gets the CPU's cores."""

from __future__ import annotations

import cv2
import torch

from hma_depth_ros.inference.engines.engine import Engine

#: PyTorch's own choice, before anybody has changed it.
_ALL = torch.get_num_threads()


def leave_cores_to(engine: Engine, threads: int = 0) -> None:
    """Give PyTorch and OpenCV one thread where another runtime has the network.

    What is left to them takes a few milliseconds in one thread. A second one saves little of that,
    and where the runtime's or DDS's threads have its core, the first waits for it at every barrier:
    on two busy cores hundreds of milliseconds.

    OpenCV's number is the process'. PyTorch's is the calling thread's, and that of threads that use
    PyTorch for the first time later: so each thread that calls an engine asks for it, which costs
    nothing where the number is right.

    Args:
        engine: runs the network.
        threads: of PyTorch, where it has the network on the CPU; 0 leaves it the choice.

    """
    has_network = (engine.name, engine.device.type) == ("torch", "cpu")
    number = (threads or _ALL) if has_network else 1
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)
