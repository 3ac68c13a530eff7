"""The node's output topics: who listens, what that needs, and publishing it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from hma_depth_ros.bags.depth_topics import (
    ATTENTION_COLOR,
    DEPTH,
    DEPTH_COLOR,
    INFO,
    POINTS,
    attention_topic,
    needed_outputs,
)
from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.predictor import Output, Prediction
from hma_depth_ros.ros.cloud_messages import CloudMessage
from hma_depth_ros.ros.image_messages import depth_message, image_message
from hma_depth_ros.visualization.attention_color import colorize_attention
from hma_depth_ros.visualization.depth_color import colorize_depth

#: Creates a publisher of (type, topic).
CreatePublisher = Callable[[Any, str], Any]


def output_types(scales: tuple[int, ...]) -> dict[str, Any]:
    """Message type of each topic, for the reductions of the model's masks, if any."""
    return {
        DEPTH: Image,
        INFO: CameraInfo,
        POINTS: PointCloud2,
        DEPTH_COLOR: Image,
        **{attention_topic(reduction): Image for reduction in scales},
        **({ATTENTION_COLOR: Image} if scales else {}),
    }


class Outputs:
    """All publishers of the node."""

    def __init__(self, create: CreatePublisher, scales: tuple[int, ...]) -> None:
        """Create the publishers; `scales` are the reductions of the model's masks, if any."""
        self._masks = [attention_topic(reduction) for reduction in scales]
        self.publishers = {
            topic: create(kind, topic) for topic, kind in output_types(scales).items()
        }
        self._cloud: CloudMessage | None = None

    def wanted(self) -> Set[str]:
        """Topics that somebody listens to."""
        return {t for t, p in self.publishers.items() if p.get_subscription_count() > 0}

    def needs(self, topics: Set[str]) -> set[Output]:
        """What the predictor has to compute for these topics."""
        return needed_outputs(topics, self._masks)

    def cloud(self, layout: CloudLayout, height: int, width: int) -> CloudMessage:
        """Return the cloud message of that size, the same one as long as the size stays."""
        if self._cloud is None or not self._cloud.fits(layout, height, width):
            self._cloud = CloudMessage(layout, height, width)
        return self._cloud

    def publish(
        self,
        topics: Set[str],
        header: Header,
        prediction: Prediction,
        *,
        info: CameraInfo | None,
        depth_encoding: str,
        color_range: float,
    ) -> None:
        """Publish what the prediction holds of `topics`, under the image's header."""
        if INFO in topics and info is not None:
            self.publishers[INFO].publish(info)
        if prediction.depth is not None:
            if DEPTH in topics:
                message = depth_message(header, prediction.depth, depth_encoding)
                self.publishers[DEPTH].publish(message)
            if DEPTH_COLOR in topics:
                colors = colorize_depth(prediction.depth, max_depth=color_range)
                self.publishers[DEPTH_COLOR].publish(image_message(header, colors, "rgb8"))
        if prediction.cloud is not None and self._cloud is not None:
            self.publishers[POINTS].publish(self._cloud.with_header(header))
        if prediction.attention is not None:
            for topic, mask in zip(self._masks, prediction.attention, strict=True):
                if topic in topics:
                    self.publishers[topic].publish(image_message(header, mask, "32FC1"))
            if ATTENTION_COLOR in topics:
                colors = colorize_attention(prediction.attention)
                self.publishers[ATTENTION_COLOR].publish(image_message(header, colors, "rgb8"))
