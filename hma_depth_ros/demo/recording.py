"""Frames of a bag that holds a camera and what the depth node made of it, ready to be drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, POINTS
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.messages.stamps import raw_header_stamp
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.visualization.contact_sheet import spread
from hma_depth_ros.visualization.tiles import FrameView

DEPTH_TOPIC, POINTS_TOPIC, MASK_PREFIX = f"/{COMPRESSED_DEPTH}", f"/{POINTS}", "/attention/scale_"


def mask_topics(topics: Sequence[str]) -> list[str]:
    """Topics of the attention masks among `topics`, coarse to fine."""
    masks = [topic for topic in topics if topic.startswith(MASK_PREFIX)]
    return sorted(masks, key=lambda topic: -int(topic.removeprefix(MASK_PREFIX)))


def bag_frames(bag: Path, *, image_topic: str, count: int, max_depth: float) -> list[FrameView]:
    """At most `count` frames, from the first to the last, of which every recorded topic is there.

    The messages of a frame are those with its image's header stamp.

    Raises:
        HmaDepthError: the bag cannot be read or has no complete frame.

    """
    with BagReader(bag) as reader:
        masks = mask_topics(list(reader.topics))
        topics = [image_topic, DEPTH_TOPIC, *masks, POINTS_TOPIC]
        recorded = [t for t in topics if t in reader.topics and reader.topics[t].count]
        stamps_of: dict[str, set[int]] = {topic: set() for topic in recorded}
        for message in reader.messages(recorded):
            if (stamp := raw_header_stamp(message.data)) is not None:
                stamps_of[message.topic].add(stamp)
        stamps = sorted(set.intersection(*stamps_of.values())) if recorded else []
        if not stamps or not {image_topic, DEPTH_TOPIC} <= set(recorded):
            raise HmaDepthError(f"{bag} has no frame with both {image_topic} and {DEPTH_TOPIC}")
        chosen = {stamps[index] for index in spread(len(stamps), count)}
        frames: dict[int, dict[str, Any]] = defaultdict(dict)
        for message in reader.messages(recorded):
            stamp = raw_header_stamp(message.data)
            if stamp is not None and stamp in chosen:
                frames[stamp][message.topic] = reader.decode(message)
    first = min(stamps_of[image_topic])
    return [
        _view(
            frames[stamp], image_topic, masks, max_depth, caption=f"{(stamp - first) / 1e9:.2f} s"
        )
        for stamp in sorted(frames)
    ]


def _view(
    messages: Mapping[str, Any],
    image_topic: str,
    masks: Sequence[str],
    max_depth: float,
    *,
    caption: str,
) -> FrameView:
    depth = depth_array(messages[DEPTH_TOPIC])
    attention = [weight_array(messages[topic]) for topic in masks if topic in messages]
    points = None
    if POINTS_TOPIC in messages:
        cloud = messages[POINTS_TOPIC]
        xyz = cloud_xyz(cloud).astype(np.float32, copy=False)
        points = xyz.reshape(cloud.height, cloud.width, 3)
    return FrameView(
        image=rgb_image(messages[image_topic]),
        depth=depth,
        max_depth=max_depth,
        attention=np.stack(attention) if attention else None,
        points=points,
        caption=caption,
    )
