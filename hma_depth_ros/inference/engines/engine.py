"""What runs the network."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine_names import PRECISIONS
from hma_depth_ros.network.model import ScaleMaps


class Engine(Protocol):
    """A network ready to run on one device in one precision.

    It gives the maps of the scales and not the blended depth: the maps are a quarter of its size,
    and whoever wants depth, masks or both computes just these (see docs/architecture.md).
    """

    name: str  #: of the runtime, such as `torch`
    precision: str  #: `fp32`, `bf16`, `fp16` or `int8`
    device: torch.device  #: where inputs are expected and outputs lie
    hardware: str  #: what it runs on, for people
    side_by_side: int  #: threads that may call it at the same time

    def __call__(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """Maps of all scales for RGB (B, 3, h, w) with values 0 to 255, uint8 or float.

        `planes` (B, C, h, w), float32, are the maps of the camera (`camera_input`) that a network
        with geometry takes. What is returned is valid until the same thread's next call.
        """
        ...


def needs_calibration() -> HmaDepthError:
    """What to do for int8, where a checkpoint is asked to run in it."""
    return HmaDepthError(
        "precision int8 needs a file that was calibrated: run 'export CHECKPOINT --format openvino "
        "--precision int8 --calibration LIST --output FILE.xml', then use checkpoint:=FILE.xml"
    )


class MissingPackageError(HmaDepthError):
    """A runtime is not installed; `engine:=auto` does without it."""


def check_precision(precision: str) -> None:
    """Check the name of a precision.

    Raises:
        HmaDepthError: there is none of that name.

    """
    if precision not in PRECISIONS:
        raise HmaDepthError(f"no precision '{precision}'; use one of {', '.join(PRECISIONS)}")
