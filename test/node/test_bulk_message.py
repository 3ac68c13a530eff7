"""Messages kept in serialised form are what rclpy would have made of the same fields."""

from __future__ import annotations

from array import array
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.transfer import host_memory
from hma_depth_ros.ros.depth_node import serialized_publish
from hma_depth_ros.ros.depth_node.bulk_message import BulkCloud, BulkImages
from hma_depth_ros.ros.depth_node.serialized_publish import publish_serialized

from .graph import DEEP, Spinner, cloud_of, header, stamp, until

ALLOCATE = partial(host_memory, device=torch.device("cpu"))
TYPES = {"32FC1": np.float32, "16UC1": np.uint16, "rgb8": np.uint8}


@pytest.mark.parametrize("encoding", TYPES)
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (37, 61), (16, 4)])
def test_images(encoding: str, size: tuple[int, int]):
    images = BulkImages(ALLOCATE, 3, *size, encoding)
    values = np.random.default_rng(0).integers(0, 200, images.pixels.shape)
    images.pixels[...] = values
    assert images.pixels.dtype == TYPES[encoding]
    # Whatever the header's length does to the alignment of what follows it, and in any order.
    for number, index in enumerate((0, 1, 2, 1, 0, 2, 0, 1, 2, 0)):
        sent = Header(stamp=stamp(number + 0.25), frame_id="camera"[: number % 7] * (1 + number))
        found = deserialize_message(images.messages[index].serialized(sent).tobytes(), Image)
        pixels = np.ascontiguousarray(images.pixels[index])
        assert found == Image(
            header=sent,
            height=size[0],
            width=size[1],
            encoding=encoding,
            step=pixels.nbytes // size[0],
            data=array("B", pixels.tobytes()),
        )
    np.testing.assert_array_equal(images.pixels, values)


@pytest.mark.parametrize("layout", CloudLayout)
def test_cloud(layout: CloudLayout):
    cloud = BulkCloud(ALLOCATE, layout, 3, 5)
    points = np.random.default_rng(0).random((3, 5, layout.value), np.float32)
    assert not cloud.points.any(), "the padding is never written"
    cloud.points[...] = points
    for number in range(1, 9):
        sent = Header(stamp=stamp(number), frame_id="x" * number)
        raw = cloud.message.serialized(sent).tobytes()
        found: PointCloud2 = deserialize_message(raw, PointCloud2)
        assert found.header == sent
        assert found.is_dense is False, "what follows the data"
        assert (found.point_step, found.row_step) == (4 * layout.value, 20 * layout.value)
        assert found.data.tobytes() == points.tobytes()
        fields = cloud_of(found)
        for column, name in enumerate("xyz"):
            np.testing.assert_array_equal(fields[name], points[..., column])


def test_nothing_is_copied():
    images = BulkImages(ALLOCATE, 4, 6, 8, "32FC1")
    for pixels, message in zip(images.pixels, images.messages, strict=True):
        raw = message.serialized(header())
        assert np.shares_memory(raw, pixels)
        assert pixels.ctypes.data % 64 == 0
        assert not any(
            np.shares_memory(raw, other)
            for other in images.pixels
            if other is not pixels and not np.shares_memory(other, pixels)
        )


def test_a_frame_name_longer_than_its_room():
    images = BulkImages(ALLOCATE, 1, 6, 8, "16UC1")
    images.pixels[...] = 7
    sent = Header(stamp=stamp(3), frame_id="x" * 5000)
    found = deserialize_message(images.messages[0].serialized(sent).tobytes(), Image)
    assert found.header == sent
    assert found.data.tobytes() == images.pixels.tobytes()


class _Listener:
    """A subscriber in the same process, behind DDS."""

    def __init__(self, context: Context) -> None:
        self.node = Node("bulk", context=context)
        self.received: list[Any] = []
        self.node.create_subscription(Image, "bulk/image", self.received.append, DEEP)
        self.publisher = self.node.create_publisher(Image, "bulk/image", DEEP)
        self._spinner = Spinner(self.node)
        until(self.publisher.get_subscription_count, "the subscription")

    def close(self) -> None:
        self._spinner.stop()
        self.node.destroy_node()


@pytest.mark.parametrize("way", ["of rcl", "of rclpy"])
def test_publishing(context: Context, monkeypatch: pytest.MonkeyPatch, way: str):
    if way == "of rclpy":
        monkeypatch.setattr(serialized_publish, "_rcl_publish", lambda: None)
    else:
        assert serialized_publish._rcl_publish() is not None
        # Not by rclpy's, then.
    listener = _Listener(context)
    if way == "of rcl":
        monkeypatch.setattr(listener.publisher, "publish", None)
    try:
        images = BulkImages(ALLOCATE, 1, 30, 40, "rgb8")
        for number in range(1, 6):
            images.pixels[...] = number
            publish_serialized(listener.publisher, images.messages[0].serialized(header(number)))
        images.pixels[...] = 99  # what was published is no longer looked at
        until(lambda: len(listener.received) == 5, "five images")
        for number, message in enumerate(listener.received, start=1):
            assert message.header == header(number)
            assert set(message.data) == {number}
    finally:
        listener.close()


@pytest.mark.parametrize("way", ["of rcl", "of rclpy"])
def test_an_inactive_node_publishes_nothing(
    context: Context, monkeypatch: pytest.MonkeyPatch, way: str
):
    """Rcl knows no life cycle: what holds an inactive node's outputs back is the gate here."""
    if way == "of rclpy":
        monkeypatch.setattr(serialized_publish, "_rcl_publish", lambda: None)
    listener = _Listener(context)
    managed = LifecycleNode("managed", context=context)
    try:
        publisher = managed.create_lifecycle_publisher(Image, "bulk/image", DEEP)
        until(publisher.get_subscription_count, "the subscription")
        images = BulkImages(ALLOCATE, 1, 3, 4, "rgb8")
        for number, transition in enumerate(("configure", "activate", "deactivate")):
            getattr(managed, f"trigger_{transition}")()
            publish_serialized(publisher, images.messages[0].serialized(header(number)))
        # After all of them: what the listener has by then is all that was published.
        publish_serialized(listener.publisher, images.messages[0].serialized(header(9)))
        until(lambda: header(9) in [m.header for m in listener.received], "the last image")
        until(lambda: header(1) in [m.header for m in listener.received], "the active node's")
        assert sorted(m.header.stamp.sec for m in listener.received) == [1, 9]
    finally:
        managed.destroy_node()
        listener.close()


def test_what_rcl_refuses_raises(context: Context):
    listener = _Listener(context)
    raw = BulkImages(ALLOCATE, 1, 3, 4, "rgb8").messages[0].serialized(header())
    publisher = listener.publisher
    listener.close()
    with pytest.raises(Exception, match="destr"):
        publish_serialized(publisher, raw)
