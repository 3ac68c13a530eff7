"""The rig node's parameters: the depth node's, and which cameras there are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.parameter_table import parameter
from hma_depth_ros.ros.parameter_types import ParameterError


@dataclass(frozen=True)
class RigParameters(DepthNodeParameters):
    """Values of all parameters; config/rig_node.yaml lists those that the depth node has not."""

    cameras: tuple[str, ...] = parameter(
        ("front", "left", "right", "rear"),
        "Names of the cameras. Each stands before its camera's topics (front/image) and before the "
        "parameters that are given of that camera alone (front.camera_height).",
        read_only=True,
    )
    max_batch: int = parameter(
        0,
        "Cameras whose images are in the network at the same time: on a GPU as one batch, if they "
        "have the same size there and wait; with OpenVINO on a CPU side by side, each on its "
        "share of the cores (1: every image on all of them). 0: up to 4, on a CPU by PyTorch 1.",
        limits=(0, 16),
        live=False,
    )

    @classmethod
    def check(cls, name: str, value: Any) -> None:
        """See `DepthNodeParameters`."""
        super().check(name, value)
        if name != "cameras":
            return
        if wrong := [
            camera for camera in value if not re.fullmatch(r"[A-Za-z]\w*", camera, re.ASCII)
        ]:
            raise ParameterError(
                f"{name}: '{wrong[0]}' cannot be a part of a topic's name; use letters, digits, _"
            )
        if len(set(value)) < len(value) or not value:
            raise ParameterError(f"{name} is {list(value)}; it must name each camera once")
