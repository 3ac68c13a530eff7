"""Depth images of a bag, and the ground truth that each is to be scored by."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.depth_frames import arrays_near, topics_beside
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.scoring.topic_cursor import TopicCursor
from hma_depth_ros.bags.transforms import Matrix, Transforms
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.depth.lidar_occlusion import without_occluded
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.prediction_sources import (
    PredictedDepth,
    PredictionSource,
    ShownPrediction,
)
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.messages.camera_info import camera_from_info
from hma_depth_ros.messages.depth_image import depth_array, depth_size
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import lidar_returns
from hma_depth_ros.messages.stamps import header_stamp, stamp_text

Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Match:
    """Numbers of messages that belong together."""

    stamp: int  #: of the depth image's header, nanoseconds
    depth: int
    truth: int

    @property
    def name(self) -> str:
        """Name of the frame in reports: its stamp in seconds."""
        return stamp_text(self.stamp)


def match_nearest(depths: Sequence[int], truths: Sequence[int], *, limit: int) -> list[Match]:
    """Each depth image with the ground truth nearest in time, if that is at most `limit` away.

    Args:
        depths: header stamps of the depth images in nanoseconds, by number; in any order.
        truths: those of the ground truth.
        limit: nanoseconds.

    """
    order = sorted(range(len(truths)), key=truths.__getitem__)
    times = [truths[index] for index in order]
    matches = []
    for number, stamp in enumerate(depths):
        after = bisect_left(times, stamp)
        near = [index for index in (after - 1, after) if 0 <= index < len(times)]
        best = min(near, key=lambda index: abs(times[index] - stamp), default=None)
        if best is not None and abs(times[best] - stamp) <= limit:
            matches.append(Match(stamp, number, order[best]))
    return matches


class TruthReader(Protocol):
    """Gives ground truth; called from several threads."""

    def depth(self, match: Match) -> Depth:
        """Depth (H, W) in metres, 0 where it is unknown.

        Raises:
            HmaDepthError: a message cannot be used.

        """
        ...


@dataclass(frozen=True)
class DepthTopicTruth:
    """A topic of depth images that are right."""

    cursor: TopicCursor

    def depth(self, match: Match) -> Depth:
        """See `TruthReader`."""
        found = depth_array(self.cursor.read(match.truth))
        return np.where(np.isfinite(found), found, np.float32(0))


@dataclass(frozen=True)
class LidarPlace:
    """Where a LiDAR is, seen from a camera, and how it moves."""

    transforms: Transforms
    lidar: str  #: its frame
    camera: str  #: the camera's optical frame
    fixed: Matrix | None = None  #: 4x4, LiDAR to camera, instead of the transforms
    follow_motion: bool = True

    def to_camera(self, image: int, scan: int) -> Matrix:
        """4x4: points of a scan to the camera's optical frame at the time of the image.

        Args:
            image: its stamp in nanoseconds.
            scan: that of the scan.

        Raises:
            HmaDepthError: the frames are not connected at that time.

        """
        place = self.fixed
        if place is None:
            place = self.transforms.lookup(self.camera, self.lidar, image)
        motion = self.motion(image, scan)
        return place if motion is None else place @ motion

    def motion(self, image: int, scan: int) -> Matrix | None:
        """How the LiDAR moved from scan to image; None where no transform says so."""
        return self.transforms.motion(self.lidar, scan, image) if self.follow_motion else None


@dataclass(frozen=True)
class LidarTruth:
    """A LiDAR's clouds, seen from the camera of the depth image."""

    cursor: TopicCursor
    place: LidarPlace
    camera: PinholeCamera
    occlusion_filter: bool

    def depth(self, match: Match) -> Depth:
        """See `TruthReader`."""
        cloud = self.cursor.read(match.truth)
        stamp = header_stamp(cloud)
        to_camera = self.place.to_camera(match.stamp, stamp)
        try:
            projected = project_scan(lidar_returns(cloud), to_camera, self.camera)
        except HmaDepthError as error:
            where = f"{self.cursor.topic} at {stamp_text(stamp)}"
            raise HmaDepthError(f"{where}: {error}") from error
        return without_occluded(projected) if self.occlusion_filter else projected


@dataclass(frozen=True)
class BagGroundTruth:
    """Ground truth of one frame (`MeasuredDepth`)."""

    reader: TruthReader
    match: Match
    topic: str

    def depth(self) -> Depth:
        """Depth (H, W) in metres, 0 where it is unknown."""
        return self.reader.depth(self.match)

    def __str__(self) -> str:
        return self.topic


class BagPredictions(PredictionSource):
    """The depth images of a topic, as a source of predictions (`PredictionSource`)."""

    def __init__(self, cursor: TopicCursor, bag: Path) -> None:
        """Read from the topic of a bag."""
        self._cursor = cursor
        self._bag = bag

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
        """See `PredictionSource`: the published image serves all views."""
        truth = frame.ground_truth
        assert isinstance(truth, BagGroundTruth)
        depth = depth_array(self._cursor.read(truth.match.depth))
        return dict.fromkeys(views, PredictedDepth(depth))

    def shown(self, frame: EvaluatedFrame, view: View) -> ShownPrediction:
        """See `PredictionSource`: with image, masks and confidence, if they are beside the depth.

        That is where the topic has the name that the node gives it.
        """
        truth = frame.ground_truth
        assert isinstance(truth, BagGroundTruth)
        match, depth = truth.match, self.predictions(frame, {view})[view].depth
        with BagReader(self._bag) as bag:
            topics = topics_beside(bag, self._cursor.topic)
            recorded = self._cursor.time(match.depth)
            beside = arrays_near(bag, topics, stamp=match.stamp, recorded=recorded)
        return ShownPrediction(depth, beside.attention, beside.confidence, beside.image)


def frames_of(
    matches: Sequence[Match],
    reader: TruthReader,
    topic: str,
    *,
    pictures: TopicCursor | None,
    camera: PinholeCamera | None,
) -> list[EvaluatedFrame]:
    """Frames for an evaluation.

    Args:
        matches: in order of time.
        reader: of the ground truth.
        topic: of the ground truth.
        pictures: topic of the images, for reports.
        camera: of the depth images, for reports; None: not known.

    """
    by_stamp: dict[int, int] = {}
    if pictures is not None:
        by_stamp = {stamp: number for number, stamp in enumerate(pictures.stamps())}

    seen: Counter[str] = Counter()

    def frame(match: Match) -> EvaluatedFrame:
        seen[match.name] += 1  # as in a recording of a bag that was played in a loop
        name = match.name if seen[match.name] == 1 else f"{match.name}_{seen[match.name]}"
        number = by_stamp.get(match.stamp)
        picture = None
        if pictures is not None and number is not None:
            found, which = pictures, number

            def picture() -> npt.NDArray[np.uint8]:
                return rgb_image(found.read(which))

        truth = BagGroundTruth(reader, match, topic)
        return EvaluatedFrame(name, truth, picture=picture, camera=camera)

    return [frame(match) for match in matches]


def lidar_in_camera(
    cloud: Any,
    depth: Any,
    *,
    info: Any | None,
    transforms: Transforms,
    calibration: KittiCalibration | None,
    camera_number: int,
    follow_motion: bool,
) -> tuple[LidarPlace, PinholeCamera]:
    """Where the LiDAR is, and the camera of the depth images.

    Args:
        cloud: a message of the LiDAR's.
        depth: one of the depth images.
        info: CameraInfo of the depth images; None if the bag has none.
        transforms: of the bag.
        calibration: KITTI's files, which go before the bag's transforms.
        camera_number: in these files.
        follow_motion: move each scan to the time of its image, where the transforms tell how.

    Raises:
        HmaDepthError: something is missing, saying how to name it.

    """
    size = depth_size(depth)
    camera = None
    if info is not None:
        camera = camera_from_info(info, width=size[0], height=size[1])
    fixed = None
    if calibration is not None:
        camera = camera or calibration.camera(camera_number)
        fixed = calibration.velodyne_to_camera(camera_number)
    place = LidarPlace(
        transforms, cloud.header.frame_id, depth.header.frame_id, fixed, follow_motion
    )
    if fixed is None:
        try:
            place.to_camera(header_stamp(depth), header_stamp(depth))
        except HmaDepthError as error:
            raise HmaDepthError(
                f"{error}; --calibration DAY takes KITTI's calibration files instead"
            ) from None
    if camera is None:
        raise HmaDepthError(
            "no camera_info beside the depth images, onto which to project the LiDAR: name a topic "
            "with --camera-info-topic, or KITTI's files with --calibration DAY"
        )
    if (camera.width, camera.height) != size:
        raise HmaDepthError(
            f"the depth images are {size[0]}x{size[1]}, but the calibration is for "
            f"{camera.width}x{camera.height}"
        )
    return place, camera
