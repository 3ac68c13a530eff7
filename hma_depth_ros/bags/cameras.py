"""The cameras of a bag: which topics hold pictures, and which CameraInfo belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hma_depth_ros.bags.bag_reader import BagReader
from hma_depth_ros.bags.depth_messages import DEPTH_ENCODINGS
from hma_depth_ros.bags.message_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, IMAGE_TYPES
from hma_depth_ros.errors import HmaDepthError

_COMPRESSED = "/compressed"


@dataclass(frozen=True)
class CameraTopics:
    """One camera."""

    image: str
    info: str | None  #: None: the bag has no calibration for it

    @property
    def namespace(self) -> str:
        """What the image's topic has before `image_raw` or the like; empty at the root."""
        return self.image.removesuffix(_COMPRESSED).rpartition("/")[0]


def camera_info_beside(image_topic: str, infos: Sequence[str]) -> str | None:
    """Camera info topic of an image topic: in its namespace or the nearest one around it."""
    namespace = image_topic
    while namespace:
        namespace = namespace.rpartition("/")[0]
        if f"{namespace}/camera_info" in infos:
            return f"{namespace}/camera_info"
    return None


def find_cameras(
    bag: BagReader, *, images: Sequence[str] = (), info: str | None = None
) -> list[CameraTopics]:
    """Cameras of a bag, those of raw images before those of compressed ones.

    Args:
        bag: open.
        images: topics to take; by default every topic that holds pictures, and the raw ones of a
            camera that has compressed ones too. Depth images are no pictures.
        info: calibration topic of the one camera; by default the one beside its images.

    Raises:
        HmaDepthError: there is no such topic, none with pictures, or `info` with several cameras.

    """
    chosen = list(images)
    for name in chosen:
        bag.topic(name, *IMAGE_TYPES)
    if not chosen:
        filled = [t for t in bag.topics_of(*IMAGE_TYPES) if bag.topics[t].count]
        chosen = [t for t in filled if bag.topics[t].type == IMAGE and not holds_depth(bag, t)]
        chosen += [
            t
            for t in filled
            if bag.topics[t].type == COMPRESSED_IMAGE
            and t.removesuffix(_COMPRESSED) not in chosen
            and not t.endswith(("/compressedDepth", "depth/compressed"))
        ]
    if not chosen:
        raise HmaDepthError(f"{bag.path} has no images; its topics: {', '.join(bag.topics)}")
    if info is not None:
        bag.topic(info, CAMERA_INFO)
        if len(chosen) > 1:
            raise HmaDepthError(
                f"{info} cannot be the calibration of {len(chosen)} cameras; choose one of "
                + ", ".join(chosen)
            )
    infos = bag.topics_of(CAMERA_INFO)
    return [
        CameraTopics(topic, info or camera_info_beside(topic, infos))
        for topic in dict.fromkeys(chosen)
    ]


def holds_depth(bag: BagReader, topic: str) -> bool:
    """Whether the first image of an Image topic is a depth image."""
    first = next(bag.messages([topic]), None)
    return first is not None and bag.decode(first).encoding in DEPTH_ENCODINGS
