"""Which topics of a bag belong to one camera: what a depth node made of it, and the LiDAR."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hma_depth_ros.bags.bag_cameras import CameraTopics, find_cameras
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, CONFIDENCE, DEPTH, POINTS
from hma_depth_ros.messages.types import POINT_CLOUD

_MASK = re.compile(r"attention/scale_([0-9]+)")


@dataclass(frozen=True)
class ViewedTopics:
    """Names; None where the bag has nothing."""

    camera: CameraTopics
    frame: str  #: of the images
    depth: str | None = None
    cloud: str | None = None
    confidence: str | None = None
    masks: tuple[str, ...] = ()  #: coarse to fine
    lidar: str | None = None

    @property
    def joined(self) -> list[str]:
        """Those of which each message has the stamp of an image."""
        return [*filter(None, [self.depth, self.cloud, self.confidence]), *self.masks]


def find_viewed_topics(
    bag: BagReader, transforms: Transforms, *, image_topic: str | None
) -> ViewedTopics:
    """Topics of a camera, the bag's first one unless told.

    Depth belongs to the camera whose frame it has; the rest stands beside it, as the node names it.

    Raises:
        HmaDepthError: the bag has no such camera.

    """
    found = find_cameras(bag, images=[image_topic] if image_topic else [])
    camera = found.calibrated(bag).cameras[0]
    frame = _frame(bag, camera.image)
    filled = [topic.name for topic in bag.topics.values() if topic.count]
    lidar = _lidar(bag, transforms, frame)
    for suffix in (DEPTH, COMPRESSED_DEPTH):
        for depth in filled:
            if depth.endswith(f"/{suffix}") and _frame(bag, depth) == frame:
                beside = depth.removesuffix(suffix)
                masks = {
                    int(match[1]): name
                    for name in filled
                    if name.startswith(beside)
                    and (match := _MASK.fullmatch(name.removeprefix(beside)))
                }
                cloud, confidence = (
                    beside + name if beside + name in filled else None
                    for name in (POINTS, CONFIDENCE)
                )
                finest_last = tuple(masks[reduction] for reduction in sorted(masks, reverse=True))
                return ViewedTopics(camera, frame, depth, cloud, confidence, finest_last, lidar)
    return ViewedTopics(camera, frame, lidar=lidar)


def _frame(bag: BagReader, topic: str) -> str:
    return str(bag.first(topic).header.frame_id)


def _lidar(bag: BagReader, transforms: Transforms, frame: str) -> str | None:
    """The first cloud in another frame than the camera's that transforms connect with it."""
    for topic in bag.topics_of(POINT_CLOUD):
        if not bag.topics[topic].count or topic.endswith(f"/{POINTS}"):
            continue
        first = bag.first(topic).header
        try:
            # The optical frame's own clouds are made of depth.
            if first.frame_id != frame and transforms.lookup(frame, first.frame_id) is not None:
                return topic
        except HmaDepthError:  # not connected
            continue
    return None
