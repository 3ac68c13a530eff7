"""What of a bag is scored: its depth images, its ground truth, and how one reaches the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from hma_depth_ros.bags.bag_cameras import camera_info_beside
from hma_depth_ros.bags.kitti.dialect import GROUND_TRUTH
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.scoring.depth_truth import (
    BagPredictions,
    DepthTopicTruth,
    LidarPlace,
    LidarTruth,
    TruthReader,
    frames_of,
    lidar_in_camera,
    match_nearest,
)
from hma_depth_ros.bags.scoring.time_offsets import TimeOffsets, timing_of
from hma_depth_ros.bags.scoring.topic_cursor import TopicCursor
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import FrameList
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.camera_info import (
    BadCalibrationError,
    camera_from_info,
    foreign_frame,
)
from hma_depth_ros.messages.compressed_depth import is_compressed_depth
from hma_depth_ros.messages.depth_image import DEPTH_ENCODINGS, DEPTH_FORMS
from hma_depth_ros.messages.depth_topics import COMPRESSED_DEPTH, DEPTH
from hma_depth_ros.messages.types import CAMERA_INFO, IMAGE, IMAGE_TYPES, POINT_CLOUD

T = TypeVar("T")


@dataclass(frozen=True)
class ScoreRequest:
    """What the user names; the rest is looked for in the bags."""

    bag: Path  #: with depth images
    truth_bag: Path  #: with ground truth, the same or another
    depth_topic: str | None = None
    truth_topic: str | None = None
    lidar_topic: str | None = None
    info_topic: str | None = None
    image_topic: str | None = None
    calibration: Path | None = None  #: folder of a day's calibration files
    camera: int = 2  #: in these files
    limit: int = 50_000_000  #: nanoseconds between a depth image and its ground truth
    occlusion_filter: bool = True
    follow_motion: bool = True  #: move scans to the time of their images


@dataclass(frozen=True)
class BagFrames:
    """Frames to be scored, and where their depth comes from."""

    frames: FrameList
    predictions: BagPredictions
    depth_topic: str
    depths: int  #: depth images in the bag
    truth_topic: str
    truths: int  #: messages of ground truth in its bag
    description: dict[str, Any]  #: for reports
    timing: TimeOffsets
    remarks: list[str]  #: what a user should know of the bags, a sentence each


def open_frames(request: ScoreRequest, stack: ExitStack) -> BagFrames:
    """Match the depth images of a bag with their ground truth.

    Args:
        request: what to score.
        stack: closes the bags.

    Raises:
        HmaDepthError: a bag cannot be read, topics are missing or cannot be told, the LiDAR cannot
            be projected, or nothing matches.

    """
    remarks: dict[str, None] = {}  # in order, and each once, though both bags may be one
    depth_topic, depth, info, image_topic = _depths(request, remarks)
    truth_topic, truth, is_lidar, transforms = _truths(request, depth, remarks)
    depths = stack.enter_context(TopicCursor(request.bag, depth_topic, *IMAGE_TYPES))
    truths = stack.enter_context(TopicCursor(request.truth_bag, truth_topic))
    reader: TruthReader = DepthTopicTruth(truths)
    place: LidarPlace | None = None
    camera: PinholeCamera | None = None
    how: dict[str, Any] = {"ground_truth_source": "topic"}
    if is_lidar:
        calibration = None
        if request.calibration is not None:
            calibration = KittiCalibration.read(request.calibration)
        place, camera = lidar_in_camera(
            truth,
            depth,
            info=info,
            transforms=transforms,
            calibration=calibration,
            camera_number=request.camera,
            follow_motion=request.follow_motion,
        )
        reader = LidarTruth(truths, place, camera, request.occlusion_filter)
        how = {
            "ground_truth_source": "lidar",
            "occlusion_filter": request.occlusion_filter,
            "transform": "tf" if calibration is None else str(request.calibration),
        }
    elif info is not None:
        try:
            camera = camera_from_info(info, width=int(depth.width), height=int(depth.height))
        except BadCalibrationError as error:  # without one there is only no view from above
            remarks[f"{request.bag}: {error}"] = None
    depth_stamps, truth_stamps = depths.stamps(), truths.stamps()
    matches = match_nearest(depth_stamps, truth_stamps, limit=request.limit)
    if not matches:
        raise HmaDepthError(
            f"none of the {len(depth_stamps)} depth images on {depth_topic} is within "
            f"{request.limit / 1e9:g} s of a message on {truth_topic}: their stamps do not go "
            "together (--max-difference widens the limit)"
        )
    timing = timing_of(matches, truth_stamps, place)
    pictures = None
    if image_topic is not None:
        pictures = stack.enter_context(TopicCursor(request.bag, image_topic, *IMAGE_TYPES))
    frames = FrameList(
        frames_of(matches, reader, truth_topic, pictures=pictures, camera=camera),
        [],
        what=f"{depth_topic} against {truth_topic}",
    )
    description = {
        "bag": str(request.bag),
        "depth_topic": depth_topic,
        "ground_truth_bag": str(request.truth_bag),
        "ground_truth_topic": truth_topic,
        "max_difference": request.limit / 1e9,
        "timing": asdict(timing),
        **how,
    }
    return BagFrames(
        frames,
        BagPredictions(depths, request.bag),
        depth_topic,
        len(depth_stamps),
        truth_topic,
        len(truth_stamps),
        description,
        timing,
        list(remarks),
    )


def _depths(
    request: ScoreRequest, remarks: dict[str, None]
) -> tuple[str, Any, Any | None, str | None]:
    """Topic of the depth images, the first of them, its CameraInfo, and the pictures' topic."""
    with BagReader(request.bag) as bag:
        remarks |= dict.fromkeys(bag.remarks)
        topic = request.depth_topic or _depth_topic(bag)
        bag.topic(topic, *IMAGE_TYPES)
        depth = bag.first(topic)
        if not _is_depth(depth):
            raise HmaDepthError(f"{topic} of {bag.path} holds {_form(depth)}; {DEPTH_FORMS}")
        info_topic = request.info_topic
        if info_topic is None:
            info_topic = camera_info_beside(topic, bag.topics_of(CAMERA_INFO))
        else:
            bag.topic(info_topic, CAMERA_INFO)
        info = None
        if info_topic is not None and bag.topics[info_topic].count:
            info = bag.first(info_topic)
            if problem := foreign_frame(info, depth, topic):
                remarks[f"{bag.path}: {info_topic}: {problem}"] = None
        image_topic = request.image_topic
        if image_topic is not None:
            bag.topic(image_topic, *IMAGE_TYPES)
        return topic, depth, info, image_topic


def _truths(
    request: ScoreRequest, depth: Any, remarks: dict[str, None]
) -> tuple[str, Any, bool, Transforms]:
    """Topic of the ground truth, its first message, whether it is a LiDAR's, and transforms."""
    with BagReader(request.truth_bag) as bag:
        remarks |= dict.fromkeys(bag.remarks)
        if request.truth_topic is not None:
            topic, is_lidar = request.truth_topic, False
        elif request.lidar_topic is not None:
            topic, is_lidar = request.lidar_topic, True
        else:
            topic, is_lidar = _truth_topic(bag, depth)
        bag.topic(topic, *((POINT_CLOUD,) if is_lidar else IMAGE_TYPES))
        return topic, bag.first(topic), is_lidar, Transforms.of_bag(bag)


def _depth_topic(bag: BagReader) -> str:
    """The one topic named like ours, or the one that holds depth at all; raw before compressed."""
    images = _image_topics(bag)
    named = [topic for topic in images if topic.endswith((f"/{DEPTH}", f"/{COMPRESSED_DEPTH}"))]
    candidates = named or [
        topic
        for topic in images
        if _says(bag, topic, _is_depth) and "/attention/" not in topic and GROUND_TRUTH not in topic
    ]
    return _only(candidates, bag, "depth images", "--depth-topic")


def _image_topics(bag: BagReader) -> list[str]:
    """Topics with images, without those that hold a raw topic's once more."""
    filled = [topic for topic in bag.topics_of(*IMAGE_TYPES) if bag.topics[topic].count]
    raw = [topic for topic in filled if bag.topics[topic].type == IMAGE]
    return [t for t in filled if t in raw or t.rpartition("/")[0] not in raw]


def _is_depth(image: Any) -> bool:
    return is_compressed_depth(image) or _form(image) in DEPTH_ENCODINGS


def _form(image: Any) -> str:
    """Encoding of an Image, or format of a CompressedImage."""
    return str(getattr(image, "encoding", "") or image.format)


def _truth_topic(bag: BagReader, depth: Any) -> tuple[str, bool]:
    """Ground truth as depth images if there is one such topic, else the LiDAR."""
    truths = [topic for topic in _image_topics(bag) if GROUND_TRUTH in topic]
    if truths:
        # Of several cameras the one that the depth is of.
        same = [t for t in truths if _says(bag, t, _frame) == depth.header.frame_id]
        return _only(same or truths, bag, "ground truth", "--ground-truth-topic"), False
    # Clouds made of depth images lie in the camera's frame.
    clouds = [
        topic
        for topic in bag.topics_of(POINT_CLOUD)
        if bag.topics[topic].count and _says(bag, topic, _frame) not in (None, "", _frame(depth))
    ]
    what = "ground truth: neither depth images nor a LiDAR"
    return _only(clouds, bag, what, "--ground-truth-topic or --lidar-topic"), True


def _frame(stamped: Any) -> str:
    return str(stamped.header.frame_id)


def _only(candidates: Sequence[str], bag: BagReader, what: str, option: str) -> str:
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise HmaDepthError(
            f"{bag.path} has several: {', '.join(candidates)}; choose with {option}"
        )
    topics = ", ".join(f"{topic.name} ({topic.type})" for topic in bag.topics.values())
    remarks = "".join(f"; {remark}" for remark in bag.remarks)
    raise HmaDepthError(
        f"{bag.path} has no {what}; name a topic with {option}. It has {topics}{remarks}"
    )


def _says(bag: BagReader, topic: str, what: Callable[[Any], T]) -> T | None:
    """What the first message of a topic says; nothing where none of the first few is whole."""
    try:
        return what(bag.first(topic))
    except HmaDepthError:
        return None
