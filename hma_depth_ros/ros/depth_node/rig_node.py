"""The rig node: the depth node for several cameras, which share engine, device and worker."""

from __future__ import annotations

from typing import Any

from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.together import USUAL_MOST, at_a_time
from hma_depth_ros.ros.depth_node.declared_parameters import DeclaredParameters
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.rig_parameters import RigParameters


class RigNode(DepthNode):
    """Managed node; the topics are the depth node's, of each camera below its name."""

    def __init__(self, node_name: str = "rig_node", **options: Any) -> None:
        """Start; see `DepthNode`."""
        super().__init__(node_name, **options)

    def declare(self) -> DeclaredParameters[RigParameters]:
        """See `DepthNode`."""
        declared = DeclaredParameters(self, RigParameters)
        self._cameras = tuple(self.get_parameter("cameras").value)
        RigParameters.check("cameras", self._cameras)
        declared.declare_own(self._cameras)
        return declared

    def camera_names(self) -> tuple[str, ...]:
        """See `DepthNode`."""
        return self._cameras

    def side_by_side(self, values: DepthNodeParameters) -> int:
        """See `DepthNode`."""
        assert isinstance(values, RigParameters)
        return min(values.max_batch or USUAL_MOST, len(self._cameras))

    def together(self, predictor: DepthPredictor) -> int:
        """See `DepthNode`."""
        values = self._values
        assert isinstance(values, RigParameters)
        if predictor.engine.side_by_side > 1:
            return 1
        return min(values.max_batch or at_a_time(predictor), len(self._cameras))
