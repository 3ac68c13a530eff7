"""The cameras of a bag: which topics hold pictures, and which CameraInfo belongs to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.compressed_image import (
    CompressedFormat,
    UnknownCodecError,
    decompressed,
    has_palette,
)
from hma_depth_ros.messages.depth_image import DEPTH_ENCODINGS
from hma_depth_ros.messages.depth_topics import ATTENTION_COLOR, DEPTH_COLOR
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.messages.pictures import CONVERSIONS, DIRECT_ENCODINGS
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, IMAGE_TYPES

_COMPRESSED = "/compressed"

#: So few values has no photograph, but a picture of labels.
_FEW_VALUES = 40

#: Words in the names of topics that hold drawings of something seen, of our own node and of others.
_DRAWN = re.compile(
    r"(^|[/_])(semantic|semantics|seg|segmentation|segmented|panoptic|instances?|labels?|masks?)($|[/_])"
)
_DEPTH = re.compile(r"(^|[/_])depth($|[/_])")
_OUR_DRAWINGS = (DEPTH_COLOR, ATTENTION_COLOR, "accuracy/error")


@dataclass(frozen=True)
class CameraTopics:
    """One camera."""

    image: str
    info: str | None  #: None: the bag has no calibration for it

    @property
    def names(self) -> tuple[str, str, str]:
        """Namespaces for what is made of the images, the shortest first.

        What the topic has before `image_raw` or the like (empty at the root), the topic without
        its transport, and the whole topic.
        """
        base = self.image.removesuffix(_COMPRESSED)
        return base.rpartition("/")[0], base, self.image


@dataclass(frozen=True)
class FoundCameras:
    """What a bag has of images."""

    cameras: list[CameraTopics]
    left_out: dict[str, str]  #: topics with images that are none of a camera, and what they hold

    def calibrated(self, bag: BagReader) -> FoundCameras:
        """Without cameras that have no CameraInfo, if others do; such as drawings of a detector."""
        known = [c for c in self.cameras if c.info is not None and bag.topics[c.info].count]
        if not known:
            return self
        others = {c.image: "pictures without camera_info" for c in self.cameras if c not in known}
        return FoundCameras(known, {**self.left_out, **others})

    @property
    def remarks(self) -> list[str]:
        """What a user should know of them, a sentence each."""
        remarks = []
        if self.left_out:
            named = ", ".join(f"{topic} ({why})" for topic, why in self.left_out.items())
            remarks.append(f"no cameras: {named}; --image-topic takes them all the same")
        for namespace, count in Counter(c.names[0] for c in self.cameras).items():
            if count > 1:
                same = ", ".join(c.image for c in self.cameras if c.names[0] == namespace)
                remarks.append(
                    f"{same} have one namespace and may be pictures of one camera; depth is right "
                    "for the rectified one: choose with --image-topic"
                )
        return remarks


def camera_info_beside(image_topic: str, infos: Sequence[str]) -> str | None:
    """Camera info topic of an image topic: below it, in its namespace or the nearest one around."""
    namespace = image_topic
    while True:
        beside = f"{namespace}/camera_info"
        for name in (beside, beside.removeprefix("/")):  # other programs leave the slash out
            if name in infos:
                return name
        if not namespace:
            return None
        namespace = namespace.rpartition("/")[0]


def own_namespaces(cameras: Sequence[CameraTopics]) -> list[str]:
    """A namespace for each camera, no two alike: the shortest of its names that is its own."""
    shared = [Counter(camera.names[level] for camera in cameras) for level in range(3)]
    own = [
        next((n for n, counts in zip(c.names, shared, strict=True) if counts[n] == 1), c.image)
        for c in cameras
    ]
    return own if len(set(own)) == len(own) else [camera.image for camera in cameras]


def find_cameras(
    bag: BagReader, *, images: Sequence[str] = (), info: str | None = None
) -> FoundCameras:
    """Cameras of a bag, those of raw images before those of compressed ones.

    Args:
        bag: open.
        images: topics to take; by default every topic that holds pictures, and the raw ones of a
            camera that has compressed ones too. Depth, labels and drawings are no pictures.
        info: calibration topic of the one camera; by default the one beside its images.

    Raises:
        HmaDepthError: there is no such topic, none with pictures, or `info` with several cameras.

    """
    chosen, left_out = list(dict.fromkeys(images)), dict[str, str]()
    for name in chosen:
        bag.topic(name, *IMAGE_TYPES)
    if not chosen:
        chosen, left_out = _pictures(bag)
    if not chosen:
        why = "".join(f"; {topic} holds {what}" for topic, what in left_out.items())
        topics = ", ".join(bag.topics) or "none"
        raise HmaDepthError(f"{bag.path} has no images of a camera; its topics: {topics}{why}")
    if info is not None:
        bag.topic(info, CAMERA_INFO)
        if len(chosen) > 1:
            raise HmaDepthError(
                f"{info} cannot be the calibration of {len(chosen)} cameras; choose one of "
                + ", ".join(chosen)
            )
    infos = bag.topics_of(CAMERA_INFO)
    cameras = [CameraTopics(topic, info or camera_info_beside(topic, infos)) for topic in chosen]
    return FoundCameras(cameras, left_out)


def _pictures(bag: BagReader) -> tuple[list[str], dict[str, str]]:
    """Topics with pictures, and other topics with images."""
    chosen: list[str] = []
    left_out: dict[str, str] = {}
    filled = [bag.topics[t] for t in bag.topics_of(*IMAGE_TYPES) if bag.topics[t].count]
    raw = {topic.name for topic in filled if topic.type == IMAGE}
    for topic in sorted(filled, key=lambda topic: topic.type != IMAGE):
        if topic.type == COMPRESSED_IMAGE and topic.name.rpartition("/")[0] in raw:
            continue  # the same images once more
        if (what := no_picture(bag, topic.name)) is None:
            chosen.append(topic.name)
        else:
            left_out[topic.name] = what
    return chosen, left_out


def no_picture(bag: BagReader, topic: str) -> str | None:
    """What an image topic holds, if that is no camera's pictures; told by its first image."""
    base = topic.removesuffix(_COMPRESSED)
    if base.endswith(_OUR_DRAWINGS) or _DRAWN.search(base.lower()):
        return "a drawing, by its name"
    try:
        image = bag.first(topic)
    except HmaDepthError:
        return "no whole image"
    compressed = hasattr(image, "format")
    what = _no_compressed_picture(image) if compressed else _no_raw_picture(image)
    if what is None and _DEPTH.search(base) and _encoding(image) == "mono16":
        what = "one channel of 16 bits, depth by its name"
    return what


def _encoding(image: Any) -> str:
    return image.encoding if hasattr(image, "encoding") else CompressedFormat.of(image).encoding


def _no_raw_picture(image: Any) -> str | None:
    if image.encoding in DEPTH_ENCODINGS:
        return f"depth or the like, {image.encoding}"
    if image.encoding in DIRECT_ENCODINGS or image.encoding in CONVERSIONS:
        return None
    return f"{image.encoding or 'no encoding'}, which is not supported"


def _no_compressed_picture(image: Any) -> str | None:
    stated = CompressedFormat.of(image)
    if stated.encoding in DEPTH_ENCODINGS or "compressedDepth" in image.format:
        return f"depth or the like, '{image.format}'"
    if has_palette(image):
        return "labels, a PNG with a palette"
    try:
        pixels, encoding = decompressed(image)
    except UnknownCodecError as error:
        return str(error)
    except BadImageError:
        return None
    what = None
    if stated.encoding == "8UC1" and len(np.unique(pixels)) <= _FEW_VALUES:
        what = "few different numbers, as labels have, '8UC1'"
    if encoding == "mono16" and not stated.encoding.startswith("mono"):
        what = f"one channel of 16 bits, as depth has, in '{image.format}'"
    return what
