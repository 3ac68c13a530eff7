"""The names of one camera's topics, and the publishers on them."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, DEPTH
from hma_depth_ros.ros.topic_qos import output_qos, with_overrides


class StreamTopics:
    """Topics of docs/node.md's tables, of a rig's camera each below the camera's name."""

    def __init__(self, node: LifecycleNode, camera: str) -> None:
        """Create nothing yet.

        Args:
            node: owner of the publishers; remaps the names.
            camera: name of the camera; empty for a node's only one.

        """
        self._node, self._camera = node, camera
        self._publishers: list[Any] = []

    def own(self, topic: str) -> str:
        """Name of a topic of this camera, before remapping.

        Like image_transport: the base name is remapped first and the transport appended.
        """
        if topic == COMPRESSED_DEPTH:
            return self.full(DEPTH) + topic.removeprefix(DEPTH)
        return f"{self._camera}/{topic}" if self._camera else topic

    def full(self, topic: str) -> str:
        """Name of a topic of this camera on the graph."""
        name: str = self._node.resolve_topic_name(self.own(topic))
        return name

    def image(self, transport: str) -> str:
        """Full name of the image topic, its transport (raw or compressed) appended as in `own`."""
        base = self.full("image")
        return f"{base}/compressed" if transport == "compressed" else base

    def create_publisher(self, kind: Any, topic: str) -> Any:
        """Lifecycle publisher of messages of this kind.

        Raises:
            ParameterError: a QoS override cannot be followed.

        """
        qos = with_overrides(self._node, self.full(topic), "publisher", output_qos())
        publisher = self._node.create_lifecycle_publisher(kind, self.own(topic), qos)
        self._publishers.append(publisher)
        return publisher

    def destroy_publishers(self) -> None:
        """Take all of them off the graph."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []
