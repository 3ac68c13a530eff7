"""Frames of a bag that holds a camera and what the depth node made of it, ready to be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hma_depth_ros.bags.depth_frames import frame_arrays, topics_beside
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, POINTS
from hma_depth_ros.messages.point_cloud import cloud_xyz
from hma_depth_ros.messages.stamps import raw_header_stamp
from hma_depth_ros.visualization.contact_sheet import spread
from hma_depth_ros.visualization.tiles import FrameView

DEPTH_TOPIC, POINTS_TOPIC, MASK_PREFIX = f"/{COMPRESSED_DEPTH}", f"/{POINTS}", "/attention/scale_"


def bag_frames(bag: Path, *, image_topic: str, count: int, max_depth: float) -> list[FrameView]:
    """At most `count` frames, from the first to the last, of which every recorded topic is there.

    The messages of a frame are those with its image's header stamp; points are those of the cloud
    that was recorded.

    Raises:
        HmaDepthError: the bag cannot be read or has no complete frame.

    """
    with BagReader(bag) as reader:
        filled = {topic.name for topic in reader.topics.values() if topic.count}
        if not {image_topic, DEPTH_TOPIC} <= filled:
            raise HmaDepthError(f"{bag} has no frame with both {image_topic} and {DEPTH_TOPIC}")
        beside = replace(topics_beside(reader, DEPTH_TOPIC), image=image_topic)
        clouds = [POINTS_TOPIC] if POINTS_TOPIC in filled else []
        stamps_of: dict[str, set[int]] = {
            topic: set() for topic in (image_topic, DEPTH_TOPIC, *beside.masks, *clouds)
        }
        for message in reader.messages(list(stamps_of)):
            if (stamp := raw_header_stamp(message.data)) is not None:
                stamps_of[message.topic].add(stamp)
        stamps = sorted(set.intersection(*stamps_of.values()))
        if not stamps:
            raise HmaDepthError(f"{bag} has no frame of which {', '.join(stamps_of)} are all there")
        chosen = [stamps[index] for index in spread(len(stamps), count)]
        points = {}
        for message in reader.messages(clouds):
            if (stamp := raw_header_stamp(message.data)) in chosen:
                cloud = reader.decode(message)
                xyz = cloud_xyz(cloud).astype(np.float32, copy=False)
                points[stamp] = xyz.reshape(cloud.height, cloud.width, 3)
        found = frame_arrays(reader, beside, chosen)
    first = min(stamps_of[image_topic])
    views = []
    for stamp, arrays in found.items():
        assert arrays.image is not None
        views.append(
            FrameView(
                image=arrays.image,
                depth=arrays.depth,
                max_depth=max_depth,
                attention=arrays.attention,
                points=points.get(stamp),
                caption=f"{(stamp - first) / 1e9:.2f} s",
            )
        )
    return views
