"""Where the demonstration's images come from: a bag, a KITTI drive, or a rendered street."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.bags.bag_cameras import CameraTopics, camera_info_beside, find_cameras
from hma_depth_ros.bags.kitti.drive_bag import write_kitti_bag
from hma_depth_ros.bags.processing.silence import span_without_silence
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE_TYPES

_ROS_NAME = re.compile(r"(/[A-Za-z_]\w*)+", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A camera in a bag."""

    bag: Path
    image_topic: str
    info_topic: str | None  #: None: the bag has no calibration for that camera
    compressed: bool
    images: int
    seconds: float  #: from the first of its messages to the last, as replayed
    remarks: tuple[str, ...] = ()  #: what a user should know of the bag, a sentence each

    @property
    def topics(self) -> list[str]:
        """What is replayed of the bag."""
        return [self.image_topic, *filter(None, [self.info_topic])]


def find_source(
    bag: Path, *, image_topic: str | None = None, info_topic: str | None = None
) -> Source:
    """Choose a camera in a bag: by default the first topic with images, raw before compressed.

    Raises:
        HmaDepthError: the bag cannot be read, has no images, or lacks the topics asked for.

    """
    with BagReader(bag) as reader:
        if image_topic is None:
            image_topic = _choice(find_cameras(reader).cameras).image
        image = reader.topic(image_topic, *IMAGE_TYPES)
        if image.count == 0:
            raise HmaDepthError(f"{bag} has no message on {image_topic}; choose with --image-topic")
        if info_topic is None:
            info_topic = camera_info_beside(image_topic, reader.topics_of(CAMERA_INFO))
        else:
            reader.topic(info_topic, CAMERA_INFO)
        return Source(
            bag=bag,
            image_topic=image_topic,
            info_topic=info_topic,
            compressed=image.type == COMPRESSED_IMAGE,
            images=image.count,
            seconds=span_without_silence(reader.stamps([*filter(None, [image_topic, info_topic])])),
            remarks=tuple(reader.remarks),
        )


def _choice(cameras: Sequence[CameraTopics]) -> CameraTopics:
    """The first camera that can be replayed, and of its pictures the rectified ones.

    Raises:
        HmaDepthError: ROS 2 allows none of the names.

    """
    allowed = [camera for camera in cameras if _ROS_NAME.fullmatch(camera.image)]
    if not allowed:
        names = ", ".join(camera.image for camera in cameras)
        raise HmaDepthError(f"ROS 2 allows no topics of these names: {names}; rename them first")
    same = [camera for camera in allowed if camera.names[0] == allowed[0].names[0]]
    return min(same, key=lambda camera: "rect" not in camera.image.rpartition("/image_")[2])


def drive_bag(drive: Path, bag: Path) -> list[HmaDepthError]:
    """Convert a KITTI raw drive to a bag, in place of an earlier one.

    Returns:
        What is wrong with files that were left out.

    Raises:
        HmaDepthError: the drive is not one, all images are damaged, or the bag cannot be written.

    """
    opened = KittiDrive.open(drive)
    remove_bag(bag)
    damage: list[HmaDepthError] = []
    write_kitti_bag(opened, bag, on_damage=damage.append)
    return damage


def remove_bag(bag: Path) -> None:
    """Remove a bag of an earlier run, and nothing else.

    Raises:
        HmaDepthError: there is something of that name that is not a bag.

    """
    names = [file.name for file in bag.iterdir()] if bag.is_dir() else []
    # A recording that was killed has no metadata.
    if "metadata.yaml" in names or names == [f"{bag.name}.mcap"]:
        shutil.rmtree(bag)
    elif bag.exists():
        raise HmaDepthError(f"{bag} is in the way and not a bag; remove it or choose --output")
