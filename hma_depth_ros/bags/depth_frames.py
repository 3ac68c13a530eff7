"""Depth that a bag holds, of the node or of `process_bag`: its frames, and figures over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hma_depth_ros.bags.bag_cameras import no_picture
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.messages.camera_info import camera_from_info
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.depth_topics import (
    COMPRESSED_DEPTH,
    CONFIDENCE,
    DEPTH,
    INFO,
    attention_topic,
)
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.stamps import raw_header_stamp
from hma_depth_ros.messages.types import IMAGE_TYPES
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.visualization.frame_layers import FrameArrays

_COMPRESSED = COMPRESSED_DEPTH.removeprefix(DEPTH)
#: Of the node's masks, coarse to fine.
_MASKS = [attention_topic(reduction) for reduction in (64, 32, 16, 8, 4, 2, 1)]
#: Nanoseconds between the times at which messages of one stamp were recorded.
_NEAR = 2_000_000_000


@dataclass(frozen=True)
class RecordedDepth:
    """Topics of one camera's depth."""

    depth: str
    info: str | None
    masks: tuple[str, ...]  #: coarse to fine
    confidence: str | None
    image: str | None  #: of which the depth was made; None: it is not in the bag

    @property
    def names(self) -> list[str]:
        """All of them."""
        beside = (self.info, self.confidence, self.image)
        return [self.depth, *self.masks, *(topic for topic in beside if topic is not None)]


@dataclass
class FrameFigures:
    """Of one depth image and what came with it."""

    seconds: float  #: since the first one
    valid: float  #: share of pixels with depth
    #: 5th, 50th and 95th percentile of depth in metres; NaN where there is none.
    percentiles: tuple[float, float, float]
    confidence: float | None = None  #: mean
    masks: dict[str, float] = field(default_factory=dict)  #: mean by topic


def recorded_depths(bag: BagReader) -> list[RecordedDepth]:
    """All depth of a bag that is named as the node names it, by topic.

    Raises:
        HmaDepthError: there is none, or the storage is damaged.

    """
    named = [
        topic
        for topic in bag.topics_of(*IMAGE_TYPES)
        if topic.removesuffix(_COMPRESSED).endswith(f"/{DEPTH}") and bag.topics[topic].count
    ]
    if not named:
        raise HmaDepthError(f"{bag.path} has no depth: no images on a topic that ends with {DEPTH}")
    # Of one image in both forms the one that is exact.
    return [
        topics_beside(bag, t) for t in named if t.removesuffix(_COMPRESSED) not in {*named} - {t}
    ]


def topics_beside(bag: BagReader, depth: str) -> RecordedDepth:
    """What was recorded with the depth images of a topic, by the names that the node gives it.

    Raises:
        HmaDepthError: the storage is damaged.

    """
    base = depth.removesuffix(_COMPRESSED)
    if not base.endswith(f"/{DEPTH}"):
        return RecordedDepth(depth, None, (), None, _image_of(bag, depth))
    namespace = base.removesuffix(DEPTH)

    def there(name: str) -> str | None:
        topic = bag.topics.get(namespace + name)
        return topic.name if topic is not None and topic.count else None

    masks = tuple(topic for name in _MASKS if (topic := there(name)) is not None)
    return RecordedDepth(depth, there(INFO), masks, there(CONFIDENCE), _image_of(bag, depth))


def _image_of(bag: BagReader, depth: str) -> str | None:
    """The camera's topic whose first stamps are those of the depth."""
    first = next(bag.messages([depth])).stamp
    near = {"start": first - _NEAR, "stop": first + _NEAR}
    stamps = {raw_header_stamp(message.data) for message in bag.messages([depth], **near)}
    images = [topic for topic in bag.topics_of(*IMAGE_TYPES) if bag.topics[topic].count]
    cameras = [topic for topic in images if no_picture(bag, topic) is None]
    shared: dict[str, int] = defaultdict(int)
    for message in bag.messages(cameras, **near):
        shared[message.topic] += raw_header_stamp(message.data) in stamps
    best = max(shared, key=shared.__getitem__, default=None)
    return best if best is not None and shared[best] else None


def depth_stamps(bag: BagReader, topics: RecordedDepth) -> list[int]:
    """Header stamps of all depth images in nanoseconds, sorted; damaged ones are left out."""
    stamps = (raw_header_stamp(message.data) for message in bag.messages([topics.depth]))
    return sorted({stamp for stamp in stamps if stamp is not None})


def figures_over_time(
    bag: BagReader, topics: RecordedDepth, stamps: Collection[int], *, first: int
) -> list[FrameFigures]:
    """Figures of the frames of these stamps, in order.

    Args:
        bag: open.
        topics: of one camera.
        stamps: of the depth images, nanoseconds.
        first: stamp that time is counted from.

    Raises:
        HmaDepthError: a message is damaged.

    """
    wanted = set(stamps)
    depths: dict[int, FrameFigures] = {}
    beside: dict[int, dict[str, float]] = defaultdict(dict)
    measured = [topics.depth, *topics.masks, *([topics.confidence] if topics.confidence else [])]
    for raw in bag.messages(measured):
        stamp = raw_header_stamp(raw.data)
        if stamp not in wanted or stamp is None:
            continue
        message = bag.decode(raw)
        if raw.topic == topics.depth:
            depths[stamp] = _figures(depth_array(message), (stamp - first) / 1e9)
        else:
            values = weight_array(message)
            known = np.isfinite(values)
            if known.any():
                beside[stamp][raw.topic] = float(values[known].mean())
    for stamp, found in depths.items():
        found.confidence = beside[stamp].pop(topics.confidence or "", None)
        found.masks = beside[stamp]
    return [depths[stamp] for stamp in sorted(depths)]


def _figures(depth: Any, seconds: float) -> FrameFigures:
    known = depth[np.isfinite(depth) & (depth > 0)]
    near, middle, far = (float("nan"),) * 3
    if known.size:
        near, middle, far = np.percentile(known, [5, 50, 95]).tolist()
    return FrameFigures(seconds, known.size / depth.size, (near, middle, far))


def frame_arrays(
    bag: BagReader, topics: RecordedDepth, stamps: Collection[int]
) -> dict[int, FrameArrays]:
    """What a bag holds of the frames of these stamps, by stamp; those without depth are left out.

    Points are made of the depth image and its CameraInfo: a cloud in the bag may have been thinned.

    Raises:
        HmaDepthError: a message is damaged.

    """
    wanted = set(stamps)
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for raw in bag.messages(topics.names):
        stamp = raw_header_stamp(raw.data)
        if stamp is not None and stamp in wanted:
            found[stamp][raw.topic] = bag.decode(raw)
    return {
        stamp: _arrays(found[stamp], topics)
        for stamp in sorted(found)
        if topics.depth in found[stamp]
    }


def arrays_near(bag: BagReader, topics: RecordedDepth, *, stamp: int, recorded: int) -> FrameArrays:
    """As `frame_arrays`, of the frame whose depth was recorded at that time.

    Raises:
        HmaDepthError: a message is damaged.

    """
    near = bag.messages(topics.names, start=recorded - _NEAR, stop=recorded + _NEAR)
    of_frame = (raw for raw in near if raw_header_stamp(raw.data) == stamp)
    return _arrays({raw.topic: bag.decode(raw) for raw in of_frame}, topics)


def _arrays(messages: Mapping[str, Any], topics: RecordedDepth) -> FrameArrays:
    depth = depth_array(messages[topics.depth])
    rows, columns = depth.shape
    masks = [weight_array(messages[topic]) for topic in topics.masks if topic in messages]
    info, image, confidence = (
        None if topic is None else messages.get(topic)
        for topic in (topics.info, topics.image, topics.confidence)
    )
    points = None
    if info is not None:
        points = back_project(depth, camera_from_info(info, width=columns, height=rows))
    return FrameArrays(
        depth=depth,
        image=None if image is None else rgb_image(image),
        attention=np.stack(masks) if masks and len(masks) == len(topics.masks) else None,
        confidence=None if confidence is None else weight_array(confidence),
        points=points,
    )
