"""The node's output topics: who listens, what that needs, and publishing it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence, Set
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from hma_depth_ros.inference.points import CloudLayout
from hma_depth_ros.inference.prediction import Output, OutputArrays, Prediction
from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.depth_image import METRES, encoded_depth
from hma_depth_ros.messages.depth_topics import (
    ATTENTION_COLOR,
    COMPRESSED_DEPTH,
    CONFIDENCE,
    DEPTH,
    DEPTH_COLOR,
    INFO,
    POINTS,
    attention_topic,
    needed_outputs,
)
from hma_depth_ros.messages.weight_image import WEIGHTS, encoded_weights
from hma_depth_ros.ros.depth_node.bulk_message import Allocate, BulkCloud, BulkImages, BulkMessage
from hma_depth_ros.ros.depth_node.serialized_publish import publish_serialized
from hma_depth_ros.visualization.attention_color import colorize_attention
from hma_depth_ros.visualization.depth_color import colorize_depth

T = TypeVar("T")

#: Name of the memory that all masks lie in.
_MASKS = "attention"

#: Creates a publisher of (type, topic).
CreatePublisher = Callable[[Any, str], Any]


def output_types(scales: tuple[int, ...], *, confidence: bool) -> dict[str, Any]:
    """Message type of each topic.

    Args:
        scales: reductions of the model's masks, if any.
        confidence: whether the model estimates its error.

    """
    return {
        DEPTH: Image,
        COMPRESSED_DEPTH: CompressedImage,
        INFO: CameraInfo,
        POINTS: PointCloud2,
        DEPTH_COLOR: Image,
        **({CONFIDENCE: Image} if confidence else {}),
        **{attention_topic(reduction): Image for reduction in scales},
        **({ATTENTION_COLOR: Image} if scales else {}),
    }


class Outputs:
    """All publishers of the node, and the memory of their messages, which is kept."""

    def __init__(
        self,
        create: CreatePublisher,
        scales: tuple[int, ...],
        *,
        confidence: bool,
        allocate: Allocate,
    ) -> None:
        """Create the publishers.

        Args:
            create: makes one.
            scales: reductions of the model's masks, if any.
            confidence: whether the model estimates its error.
            allocate: memory that the predictor writes to.

        """
        self._masks = [attention_topic(reduction) for reduction in scales]
        self._allocate = allocate
        self.publishers = {
            topic: create(kind, topic)
            for topic, kind in output_types(scales, confidence=confidence).items()
        }
        self._kept: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def wanted(self) -> Set[str]:
        """Topics that somebody listens to."""
        return {t for t, p in self.publishers.items() if p.get_subscription_count() > 0}

    def needs(self, topics: Set[str]) -> set[Output]:
        """What the predictor has to compute for these topics."""
        return needed_outputs(topics, self._masks)

    def arrays(
        self,
        topics: Set[str],
        size: tuple[int, int],
        cloud_size: tuple[int, int],
        layout: CloudLayout,
        *,
        depth_encoding: str,
        mask_encoding: str,
    ) -> OutputArrays:
        """Where the predictor is to write, for these topics: into their messages.

        Args:
            topics: that are published.
            size: (H, W) of all outputs but the cloud.
            cloud_size: (H, W) of the cloud.
            layout: of the cloud.
            depth_encoding: of the depth image; millimetres are no predictor's output.
            mask_encoding: of masks and confidence; nor are whole numbers.

        """
        return OutputArrays(
            depth=(
                self._images(DEPTH, METRES, size).pixels[0]
                if DEPTH in topics and depth_encoding == METRES
                else None
            ),
            attention=(
                self._images(_MASKS, WEIGHTS, size, len(self._masks)).pixels
                if topics & set(self._masks) and mask_encoding == WEIGHTS
                else None
            ),
            confidence=(
                self._images(CONFIDENCE, WEIGHTS, size).pixels[0]
                if CONFIDENCE in topics and mask_encoding == WEIGHTS
                else None
            ),
            cloud=self._cloud(layout, cloud_size).points if POINTS in topics else None,
        )

    def publish(
        self,
        topics: Set[str],
        header: Header,
        prediction: Prediction,
        *,
        info: CameraInfo | None,
        depth_encoding: str,
        mask_encoding: str,
        color_range: float,
    ) -> None:
        """Publish what the prediction, made with `arrays`, holds of `topics`.

        All of it goes out under the image's header.
        """
        if INFO in topics and info is not None:
            self.publishers[INFO].publish(info)
        depth, attention, cloud = prediction.depth, prediction.attention, prediction.cloud
        if depth is not None and DEPTH in topics:
            images = self._images(DEPTH, depth_encoding, depth.shape)
            if depth_encoding != METRES:
                images.pixels[0] = encoded_depth(depth, depth_encoding)
            self._send(DEPTH, images.messages[0], header)
        if depth is not None and COMPRESSED_DEPTH in topics:
            form, data = compressed_depth(encoded_depth(depth, depth_encoding))
            self.publishers[COMPRESSED_DEPTH].publish(
                CompressedImage(header=header, format=form, data=array("B", data))
            )
        if cloud is not None:
            layout = CloudLayout(cloud.shape[2])
            self._send(POINTS, self._cloud(layout, cloud.shape[:2]).message, header)
        if attention is not None and topics & set(self._masks):
            self._send_weights(
                _MASKS,
                attention,
                header,
                topics=self._masks,
                wanted=topics,
                encoding=mask_encoding,
            )
        if prediction.confidence is not None and CONFIDENCE in topics:
            self._send_weights(
                CONFIDENCE,
                prediction.confidence[None],
                header,
                topics=[CONFIDENCE],
                wanted=topics,
                encoding=mask_encoding,
            )
        if depth is not None and DEPTH_COLOR in topics:
            images = self._images(DEPTH_COLOR, "rgb8", depth.shape)
            colorize_depth(depth, max_depth=color_range, out=images.pixels[0])
            self._send(DEPTH_COLOR, images.messages[0], header)
        if attention is not None and ATTENTION_COLOR in topics:
            images = self._images(ATTENTION_COLOR, "rgb8", attention.shape[1:])
            colorize_attention(attention, out=images.pixels[0])
            self._send(ATTENTION_COLOR, images.messages[0], header)

    def _send(self, topic: str, message: BulkMessage, header: Header) -> None:
        publish_serialized(self.publishers[topic], message.serialized(header))

    def _send_weights(
        self,
        name: str,
        weights: npt.NDArray[np.float32],
        header: Header,
        *,
        topics: Sequence[str],
        wanted: Set[str],
        encoding: str,
    ) -> None:
        """Of weights (N, H, W), an image for each of `topics`, those that are wanted."""
        images = self._images(name, encoding, weights.shape[1:], len(topics))
        for index, topic in enumerate(topics):
            if topic in wanted:
                if encoding != WEIGHTS:
                    images.pixels[index] = encoded_weights(weights[index], encoding)
                self._send(topic, images.messages[index], header)

    def _images(
        self, name: str, encoding: str, size: tuple[int, ...], count: int = 1
    ) -> BulkImages:
        height, width = size
        return self._keep(
            name,
            (encoding, size),
            lambda: BulkImages(self._allocate, count, height, width, encoding),
        )

    def _cloud(self, layout: CloudLayout, size: tuple[int, ...]) -> BulkCloud:
        height, width = size
        return self._keep(
            POINTS, (layout, size), lambda: BulkCloud(self._allocate, layout, height, width)
        )

    def _keep(self, name: str, form: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What was made under that name, made anew when its form changes."""
        if name not in self._kept or self._kept[name][0] != form:
            self._kept[name] = (form, make())
        kept: T = self._kept[name][1]
        return kept
