"""One bag of a car with camera and LiDAR: its topics, its clocks, and what tells how it moved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hma_depth_ros.bags.bag_cameras import CameraTopics, find_cameras
from hma_depth_ros.bags.processing.camera_info_in_time import Calibrations
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.scoring.depth_truth import LidarPlace, Match, match_nearest
from hma_depth_ros.bags.scoring.topic_cursor import TopicCursor
from hma_depth_ros.bags.to_dataset.clocks import (
    TopicTimes,
    check_clocks,
    check_stamps,
    drive_starts,
)
from hma_depth_ros.bags.to_dataset.dataset_request import DatasetRequest
from hma_depth_ros.bags.transforms import Matrix, Transforms, transform_matrix
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.rotation import pose_matrix
from hma_depth_ros.messages.camera_info import camera_from_info, distortion
from hma_depth_ros.messages.pictures import picture
from hma_depth_ros.messages.stamps import header_stamp, stamp_text
from hma_depth_ros.messages.types import IMAGE_TYPES, ODOMETRY, POINT_CLOUD

#: Nanoseconds: a longer stretch without scans is told.
_EMPTY = 5_000_000_000
#: Types that LiDARs' own data come in, before a driver makes points of them.
_PACKETS = re.compile(r"Packet|VelodyneScan|CustomMsg|UdpFrame")
#: Images whose CameraInfo is read at a time.
_AT_A_TIME = 100


@dataclass(frozen=True)
class Drive:
    """Images without a long pause between them."""

    matches: list[Match]  #: those of its images that have a scan, in order of time
    images: int  #: all of them


class RoadRecording:
    """An open bag; a context manager. What is kept in memory is stamps and transforms."""

    def __init__(self, path: Path, request: DatasetRequest) -> None:
        """Prepare to read it; it is opened on entering."""
        self.path, self.request = path, request
        self.remarks: list[str] = []  #: what a user should know, a sentence each

    def __enter__(self) -> RoadRecording:
        with ExitStack() as stack:
            self._bag = stack.enter_context(BagReader(self.path))
            self.remarks += self._bag.remarks
            self._find_topics()
            images, scans = self.topics.image, self.lidar_topic
            self.images = stack.enter_context(TopicCursor(self.path, images, *IMAGE_TYPES))
            self.scans = stack.enter_context(TopicCursor(self.path, scans, POINT_CLOUD))
            self.image_stamps = self.images.stamps()
            self._image_times = self._bag.stamps([images])
            scan_stamps = self.scans.stamps()
            self._check_times(scan_stamps)
            offset = self.request.time_offset or 0
            self.scan_stamps = [stamp + offset for stamp in scan_stamps]
            self.place = self._lidar_place()
            self.drives = self._drives()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def name(self) -> str:
        """Of the bag, as a folder may be called."""
        name = self.path.absolute().name if self.path.is_dir() else self.path.stem
        return "_".join(name.split())

    @property
    def knows_motion(self) -> bool:
        """Whether transforms tell how the car moved, at the first image that has a scan."""
        matches = [match for drive in self.drives for match in drive.matches]
        return any(self.way_between(a.stamp, b.stamp) is not None for a, b in _pairs(matches))

    def way_between(self, start: int, end: int) -> float | None:
        """Metres that the LiDAR is away at `end` from where it was; None where that is unknown."""
        motion = self.place.transforms.motion(self.place.lidar, start, end)
        return None if motion is None else float(np.linalg.norm(motion[:3, 3]))

    def cameras(self, matches: Sequence[Match]) -> Iterable[tuple[Match, PinholeCamera]]:
        """Each match with the camera of its image, by the CameraInfo of its time.

        Raises:
            HmaDepthError: a CameraInfo cannot be used, or the storage is damaged.

        """
        if self._fixed_camera is not None:
            yield from ((match, self._fixed_camera) for match in matches)
            return
        assert self.topics.info is not None
        infos = Calibrations(self._bag, self.topics.info)
        for start in range(0, len(matches), _AT_A_TIME):
            some = matches[start : start + _AT_A_TIME]
            times = [int(self._image_times[match.depth]) for match in some]
            infos.move_to(min(times), max(times))
            for match in some:
                info = infos.of(match.stamp)
                assert info is not None
                try:
                    camera = camera_from_info(info, width=self._size[0], height=self._size[1])
                except HmaDepthError as error:
                    raise HmaDepthError(f"{self.path}, {self.topics.info}: {error}") from None
                yield match, camera

    def _find_topics(self) -> None:
        request, bag = self.request, self._bag
        images = [] if request.image_topic is None else [request.image_topic]
        found = find_cameras(bag, images=images, info=request.info_topic).calibrated(bag)
        if len(found.cameras) > 1:
            topics = ", ".join(camera.image for camera in found.cameras)
            raise HmaDepthError(
                f"{bag.path} has several cameras: {topics}; choose with --image-topic (a data set "
                "for each; train takes several lists)"
            )
        self.topics: CameraTopics = found.cameras[0]
        self._first_image = bag.first(self.topics.image)
        self.camera_frame = str(self._first_image.header.frame_id)
        pixels, _ = picture(self._first_image)
        self._size = (pixels.shape[1], pixels.shape[0])
        self._fixed_camera = None
        info = self.topics.info
        if info is None or not bag.topics[info].count:
            if request.calibration is None:
                raise HmaDepthError(
                    f"{bag.path} has no camera_info for {self.topics.image}: name a topic with "
                    "--camera-info-topic, or KITTI's files with --calibration DAY"
                )
            self._fixed_camera = KittiCalibration.read(request.calibration).camera(request.camera)
            if (self._fixed_camera.width, self._fixed_camera.height) != self._size:
                raise HmaDepthError(
                    f"the images on {self.topics.image} are {self._size[0]}x{self._size[1]}, the "
                    f"calibration in {request.calibration} is for {self._fixed_camera.width}x"
                    f"{self._fixed_camera.height}"
                )
        else:
            self._say_distortion(bag.first(info))
        self.lidar_topic = self._lidar_topic()
        self.lidar_frame = str(bag.first(self.lidar_topic).header.frame_id)

    def _say_distortion(self, info: Any) -> None:
        if problem := distortion(info, self.topics.image):
            self.remarks.append(f"{self.topics.info}: {problem}; labels would be pixels beside")

    def _lidar_topic(self) -> str:
        bag, wanted = self._bag, self.request.lidar_topic
        if wanted is not None:
            return bag.topic(wanted, POINT_CLOUD).name
        clouds: list[str] = []
        own: list[str] = []
        for topic in bag.topics_of(POINT_CLOUD):
            with suppress(HmaDepthError):  # without a whole message
                # A cloud in the camera's own frame was made of a depth image.
                if not self.camera_frame or bag.first(topic).header.frame_id != self.camera_frame:
                    clouds.append(topic)
                else:
                    own.append(topic)
        if len(clouds) == 1:
            return clouds[0]
        if clouds:
            raise HmaDepthError(
                f"{bag.path} has several clouds: {', '.join(clouds)}; choose with --lidar-topic"
            )
        if silent := [t for t in bag.topics_of(POINT_CLOUD) if not bag.topics[t].count]:
            raise HmaDepthError(
                f"{bag.path} has no message on {', '.join(silent)} (PointCloud2): the LiDAR was "
                "silent, and there is nothing to learn depth from"
            )
        if own:
            raise HmaDepthError(
                f"{bag.path} has no cloud but {', '.join(own)}, which is in the camera's own frame "
                "as one made of a depth image is; --lidar-topic takes it for a LiDAR's"
            )
        if raw := [f"{t.name} ({t.type})" for t in bag.topics.values() if _PACKETS.search(t.type)]:
            raise HmaDepthError(
                f"{bag.path} has no PointCloud2, but {', '.join(raw)}: record what the LiDAR's "
                "driver makes of it, or play the bag to it"
            )
        topics = ", ".join(bag.topics) or "none"
        raise HmaDepthError(
            f"{bag.path} has no LiDAR (PointCloud2): there is nothing to learn depth from; its "
            f"topics: {topics}"
        )

    def _check_times(self, scan_stamps: Sequence[int]) -> None:
        """Refuse stamps of two clocks, and those that match nothing."""
        images = TopicTimes.of(self.topics.image, self.image_stamps, self.images.times())
        scans = TopicTimes.of(self.lidar_topic, scan_stamps, self.scans.times())
        try:
            check_stamps(images, scans)
            asked = None if self.request.time_offset is not None else check_clocks(images, scans)
        except HmaDepthError as error:
            raise HmaDepthError(f"{self.path}: {error}") from None
        if asked is not None:
            self.remarks.append(f"{self.path}: {asked}")

    def _lidar_place(self) -> LidarPlace:
        request, bag = self.request, self._bag
        transforms = Transforms.of_bag(bag)
        fixed: Matrix | None = None
        if request.lidar_to_camera is not None:
            try:
                fixed = pose_matrix(request.lidar_to_camera)
            except ValueError as error:
                raise HmaDepthError(f"--lidar-to-camera {error}") from None
        elif request.calibration is not None:
            calibration = KittiCalibration.read(request.calibration)
            fixed = calibration.velodyne_to_camera(request.camera)
        if fixed is None:
            if transforms.moved_static:
                frames = ", ".join(sorted(transforms.moved_static))
                self.remarks.append(
                    f"{self.path}: /tf_static has two places of {frames}, as of sensors mounted "
                    "anew; the latest counts for all of the bag: make a bag of each mounting"
                )
            try:
                self._check_frame_ids()
                transforms.lookup(self.camera_frame, self.lidar_frame, self.image_stamps[0])
            except HmaDepthError as error:
                raise HmaDepthError(
                    f"{bag.path}: {error}; --lidar-to-camera x y z qx qy qz qw (points of the "
                    "LiDAR to the camera's optical frame) or --calibration DAY says it instead"
                ) from None
        if request.odometry_topic is not None:
            self._add_odometry(transforms, request.odometry_topic)
        elif (found := self._only_odometry(transforms)) is not None:
            try:
                self._add_odometry(transforms, found)
            except HmaDepthError as error:
                self.remarks.append(f"{error}: it is not used")
        return LidarPlace(
            transforms, self.lidar_frame, self.camera_frame, fixed, request.follow_motion
        )

    def _check_frame_ids(self) -> None:
        """Refuse messages that do not say which frame they are of.

        Raises:
            HmaDepthError: one does not.

        """
        frames = {self.lidar_topic: self.lidar_frame, self.topics.image: self.camera_frame}
        if nameless := [topic for topic, frame in frames.items() if not frame]:
            raise HmaDepthError(
                f"messages on {' and '.join(nameless)} have an empty frame_id, by which /tf_static "
                "could tell where the LiDAR is"
            )

    def _only_odometry(self, transforms: Transforms) -> str | None:
        """The odometry topic, where there is one and `/tf` does not tell how the LiDAR moves."""
        if transforms.moves(self.lidar_frame):
            return None
        topics = [t for t in self._bag.topics_of(ODOMETRY) if self._bag.topics[t].count]
        if len(topics) > 1:
            self.remarks.append(
                f"{self.path}: several odometries, {', '.join(topics)}: --odometry-topic "
                "chooses one; none is used"
            )
        return topics[0] if len(topics) == 1 else None

    def _add_odometry(self, transforms: Transforms, topic: str) -> None:
        """Take poses of an odometry topic.

        Raises:
            HmaDepthError: there is none of that name, or nothing tells where the LiDAR is in the
                frame that it is of. Then no pose has been taken.

        """
        self._bag.topic(topic, ODOMETRY)
        top = transforms.root(self.lidar_frame)
        for raw in self._bag.messages([topic]):
            pose = self._bag.decode(raw)
            child = str(pose.child_frame_id) or "base_link"
            try:
                to_child = transforms.lookup(child, top)
                matrix = transform_matrix(_as_transform(pose.pose.pose))
            except (HmaDepthError, ValueError) as error:
                raise HmaDepthError(f"{self.path}: {topic} is of '{child}': {error}") from None
            transforms.add_pose(f"odom:{topic}", top, header_stamp(pose), matrix @ to_child)

    def _drives(self) -> list[Drive]:
        stamps = np.array(self.image_stamps, np.int64)
        ends = drive_starts(stamps)
        drive = np.searchsorted(ends, np.arange(len(stamps)), side="right")
        matches = match_nearest(self.image_stamps, self.scan_stamps, limit=self.request.limit)
        if not matches:
            raise HmaDepthError(self._no_match(stamps))
        if ends.size:
            times = ", ".join(stamp_text(int(stamps[end])) for end in ends[:3])
            more = f" and {len(ends) - 3} more" if len(ends) > 3 else ""
            self.remarks.append(
                f"{self.path}: {len(ends) + 1} drives, the images' stamps jump at {times}{more}; "
                "nothing is carried over from one to the next"
            )
        self._say_stretches_without_scans(matches)
        found = []
        for number in range(len(ends) + 1):
            own = [match for match in matches if drive[match.depth] == number]
            own.sort(key=lambda match: match.stamp)
            if own:
                found.append(Drive(own, int((drive == number).sum())))
        return found

    def _no_match(self, stamps: np.ndarray[Any, np.dtype[np.int64]]) -> str:
        scans = np.array(self.scan_stamps, np.int64)
        gaps = [abs(int(scans[np.abs(scans - stamp).argmin()]) - int(stamp)) for stamp in stamps]
        return (
            f"{self.path}: no image on {self.topics.image} has a scan on {self.lidar_topic} within "
            f"{self.request.limit / 1e9:g} s; the nearest stamps are {min(gaps) / 1e9:.3f} s "
            "apart: --time-offset SECONDS moves the LiDAR's clock, --max-difference widens the "
            "limit"
        )

    def _say_stretches_without_scans(self, matches: Sequence[Match]) -> None:
        have = np.zeros(len(self.image_stamps), bool)
        have[[match.depth for match in matches]] = True
        if have.all():
            return
        # Runs of images without a scan, by where they begin and end.
        edges = np.flatnonzero(np.diff(np.r_[1, have, 1]))
        runs = [
            (begin, end)
            for begin, end in zip(edges[::2], edges[1::2], strict=True)
            if self.image_stamps[end - 1] - self.image_stamps[begin] > _EMPTY
        ]
        longest = ""
        if runs:
            begin, end = max(runs, key=lambda run: run[1] - run[0])
            seconds = (self.image_stamps[end - 1] - self.image_stamps[begin]) / 1e9
            longest = (
                f"; {len(runs)} empty stretches, the longest {seconds:.1f} s from "
                f"{stamp_text(self.image_stamps[begin])}"
            )
        self.remarks.append(
            f"{self.path}: {int((~have).sum())} of {have.size} images have no scan within "
            f"{self.request.limit / 1e9:g} s and are left out{longest}"
        )


@dataclass(frozen=True)
class _Transform:
    translation: Any
    rotation: Any


def _as_transform(pose: Any) -> _Transform:
    """A geometry_msgs/Pose as a Transform has it."""
    return _Transform(pose.position, pose.orientation)


def _pairs(matches: Sequence[Match]) -> Iterable[tuple[Match, Match]]:
    """A few neighbours, spread over the bag."""
    step = max(len(matches) // 20, 1)
    return [(a, b) for a, b in zip(matches[::step], matches[1::step], strict=False)]
