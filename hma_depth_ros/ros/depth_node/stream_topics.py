"""The names of one camera's topics, and the publishers on them."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode

from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH
from hma_depth_ros.ros.depth_node.image_input import COMPRESSED_IMAGE
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
        """Name with which to create an endpoint on a topic of this camera: ROS remaps it.

        As with image_transport the name of a compressed topic's base is remapped first and the
        transport appended, unless the compressed topic itself is remapped.
        """
        name = self._below_camera(topic)
        if topic not in (COMPRESSED_IMAGE, COMPRESSED_DEPTH):
            return name
        resolve = self._node.resolve_topic_name
        if resolve(name) != resolve(name, only_expand=True):
            return name
        base, slash, transport = topic.rpartition("/")
        return f"{resolve(self._below_camera(base))}{slash}{transport}"

    def full(self, topic: str) -> str:
        """Name of a topic of this camera on the graph.

        No endpoint may be created with it: ROS would remap it a second time.
        """
        name: str = self._node.resolve_topic_name(self.own(topic))
        return name

    def _below_camera(self, topic: str) -> str:
        return f"{self._camera}/{topic}" if self._camera else topic

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
