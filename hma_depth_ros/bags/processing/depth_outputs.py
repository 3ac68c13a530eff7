"""What the predictor makes of an image message, as messages for a bag: the node's, without ROS."""

from __future__ import annotations

from typing import Any

import numpy as np

from hma_depth_ros.bags.new_messages import (
    compressed_image_message,
    image_message,
    organised_cloud_message,
)
from hma_depth_ros.bags.processing.output_settings import OutputSettings
from hma_depth_ros.bags.typestore import TYPESTORE
from hma_depth_ros.inference.prediction import Prediction, PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.camera_info import camera_from_info, info_for_camera
from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.depth_image import encoded_depth
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
from hma_depth_ros.messages.pictures import picture
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_CLOUD
from hma_depth_ros.visualization.attention_color import colorize_attention
from hma_depth_ros.visualization.depth_color import colorize_depth


class DepthOutputs:
    """Makes the messages of one camera."""

    def __init__(
        self,
        predictor: DepthPredictor,
        settings: OutputSettings,
        *,
        namespace: str,
        calibrated: bool,
    ) -> None:
        """Choose the topics.

        Args:
            predictor: makes depth.
            settings: what to write.
            namespace: before the topics' names, without a slash at its end.
            calibrated: whether the camera has a calibration; without one there is no cloud.

        """
        self._predictor = predictor
        self._settings = settings
        self._namespace = namespace
        self._calibrated = calibrated
        self._masks = [attention_topic(reduction) for reduction in predictor.scales]
        self.topics = {self._full(name): kind for name, kind in self._chosen().items()}

    def _full(self, name: str) -> str:
        return f"{self._namespace}/{name}"

    def _chosen(self) -> dict[str, str]:
        kinds = set(self._settings.kinds)
        types: dict[str, str] = {}
        if "depth" in kinds:
            if self._settings.compress_depth:
                types[COMPRESSED_DEPTH] = COMPRESSED_IMAGE
            else:
                types[DEPTH] = IMAGE
        if "camera_info" in kinds and self._calibrated:
            types[INFO] = CAMERA_INFO
        if "masks" in kinds:
            types |= dict.fromkeys(self._masks, IMAGE)
        if "cloud" in kinds and self._calibrated:
            types[POINTS] = POINT_CLOUD
        if "confidence" in kinds and self._predictor.estimates_error:
            types[CONFIDENCE] = IMAGE
        if "color" in kinds:
            types[DEPTH_COLOR] = IMAGE
            if self._masks:
                types[ATTENTION_COLOR] = IMAGE
        return types

    def request(self, image: Any, info: Any | None) -> PredictionRequest:
        """What the predictor is asked for.

        Args:
            image: Image or CompressedImage.
            info: its CameraInfo; None only where there is no calibration.

        Raises:
            HmaDepthError: the image or its calibration cannot be used.

        """
        pixels, pixel_format = picture(image)
        size = (pixels.shape[0], pixels.shape[1])
        camera = None
        if self._calibrated:
            camera = camera_from_info(info, width=size[1], height=size[0])
        needed = needed_outputs(self._chosen().keys(), self._masks)
        return PredictionRequest(pixels, camera, pixel_format, needed)

    def messages(
        self, image: Any, info: Any | None, found: Prediction
    ) -> list[tuple[str, bytes | memoryview]]:
        """Topics and serialised messages of what was found for an image, under its own header."""
        chosen = self._chosen()
        stamp, frame = header_stamp(image), image.header.frame_id

        def as_image(values: Any, encoding: str) -> Any:
            return image_message(np.asarray(values), encoding, stamp=stamp, frame=frame)

        made: dict[str, Any] = {}
        if INFO in chosen and found.camera is not None:
            made[INFO] = info_for_camera(info, image.header, found.camera)
        if found.depth is not None:
            encoding = self._settings.depth_encoding
            pixels = encoded_depth(found.depth, encoding)
            if DEPTH in chosen:
                made[DEPTH] = as_image(pixels, encoding)
            if COMPRESSED_DEPTH in chosen:
                form, data = compressed_depth(pixels)
                made[COMPRESSED_DEPTH] = compressed_image_message(
                    data, form, stamp=stamp, frame=frame
                )
        if found.cloud is not None:
            column = self._predictor.cloud_layout.color_column
            made[POINTS] = organised_cloud_message(found.cloud, column, stamp=stamp, frame=frame)
        if found.confidence is not None:
            made[CONFIDENCE] = as_image(found.confidence, "32FC1")
        if found.attention is not None:
            for topic, mask in zip(self._masks, found.attention, strict=True):
                if topic in chosen:
                    made[topic] = as_image(mask, "32FC1")
            if ATTENTION_COLOR in chosen:
                made[ATTENTION_COLOR] = as_image(colorize_attention(found.attention), "rgb8")
        if found.depth is not None and DEPTH_COLOR in chosen:
            colors = colorize_depth(found.depth, max_depth=self._settings.color_range)
            made[DEPTH_COLOR] = as_image(colors, "rgb8")
        return [
            (self._full(name), TYPESTORE.serialize_cdr(content, chosen[name]))
            for name, content in made.items()
        ]
