"""A KITTI drive as a rosbag2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.kitti.dialect import KITTI2BAG, ImageFormat, KittiDialect
from hma_depth_ros.bags.kitti.drive_messages import (
    camera_info,
    compressed_image,
    ground_truth_image,
    imu_and_gps,
    lidar_cloud,
    raw_image,
    static_transforms,
)
from hma_depth_ros.bags.prefetch import prefetched
from hma_depth_ros.bags.recorded_qos import offered_qos
from hma_depth_ros.bags.transforms import TF_STATIC_TOPIC
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.data.depth.depth_png import UNITS_PER_METRE
from hma_depth_ros.data.depth.depth_units import unit_hint
from hma_depth_ros.data.kitti.calibration import IMU_FILE
from hma_depth_ros.data.kitti.drive import KittiDrive, SensorStream
from hma_depth_ros.data.kitti.layout import COLOUR_CAMERAS
from hma_depth_ros.data.kitti.odometry import OdometrySequence
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    IMU,
    NAV_SAT_FIX,
    POINT_CLOUD,
    TF_MESSAGE,
)

Recording: TypeAlias = KittiDrive | OdometrySequence

#: Frames read before they are written.
_AHEAD = 4


@dataclass(frozen=True)
class BagOptions:
    """What goes into a bag, and how."""

    cameras: tuple[int, ...] | None = None  #: None: all that have images
    dialect: KittiDialect = KITTI2BAG  #: names of topics and frames
    image_format: ImageFormat = "raw"  #: or the compressed one
    jpeg_quality: int = 95
    storage: StoragePlugin = StoragePlugin.MCAP
    compressed: bool = False


def open_recording(folder: Path, *, annotated_root: Path | None = None) -> Recording:
    """Open a raw drive or an odometry sequence.

    Args:
        folder: of the drive (`.../2011_09_26_drive_0001_sync`) or the sequence (`.../00`).
        annotated_root: `data_depth_annotated`, for ground truth of a raw drive.

    Raises:
        HmaDepthError: it is neither, or a sequence, which has no annotated depth.

    """
    if not OdometrySequence.is_one(folder.expanduser()):
        return KittiDrive.open(folder, annotated_root=annotated_root)
    if annotated_root is not None:
        raise HmaDepthError(
            f"{folder} is an odometry sequence, and KITTI annotates the depth of raw drives only"
        )
    return OdometrySequence.open(folder)


def write_kitti_bag(
    drive: Recording,
    out: Path,
    options: BagOptions | None = None,
    *,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    on_damage: Callable[[HmaDepthError], object] | None = None,
) -> dict[str, int]:
    """Write images, calibration, ground truth, LiDAR, GPS, IMU and static transforms of a drive.

    Only what is there is written: a partial drive gives a bag with gaps. Every message has the
    sensor's own stamp to the nanosecond, and lies at that time in the bag.

    Args:
        drive: drive to convert.
        out: folder of the new bag.
        options: what to write.
        progress: called with the number of files done, and of all.
        on_damage: called, from another thread, with what is wrong with a file that is then left
            out; without it the first such file is the end.

    Returns:
        Number of messages by topic.

    Raises:
        HmaDepthError: a file of the drive is damaged (with `on_damage`: all images are), or `out`
            exists or cannot be written.

    """
    return _Conversion(drive, options or BagOptions(), on_damage).write(out, progress)


class _Moment(NamedTuple):
    stamp: int
    sensor: str  #: image, lidar or oxts
    camera: int  #: of an image
    frame: int


class _Conversion:
    """One drive on its way into a bag."""

    def __init__(
        self,
        drive: Recording,
        options: BagOptions,
        on_damage: Callable[[HmaDepthError], object] | None,
    ) -> None:
        self.drive, self.options, self.on_damage = drive, options, on_damage
        self.first_error: HmaDepthError | None = None
        cameras = drive.cameras if options.cameras is None else options.cameras
        for camera in cameras:
            if camera not in drive.cameras:
                has = ", ".join(map(str, drive.cameras))
                raise HmaDepthError(
                    f"{drive.folder} has no images of camera {camera}, only of {has}"
                )
        self.cameras = tuple(cameras)
        self.infos = {camera: camera_info(drive.calibration, camera) for camera in self.cameras}

    def image_topic(self, camera: int) -> str:
        odometry = isinstance(self.drive, OdometrySequence)
        topic = self.options.dialect.image_topic(camera, odometry=odometry)
        return topic if self.options.image_format == "raw" else f"{topic}/compressed"

    def topics(self) -> dict[str, str]:
        """Types of the topics, in the order in which they are declared."""
        dialect, drive = self.options.dialect, self.drive
        image = IMAGE if self.options.image_format == "raw" else COMPRESSED_IMAGE
        topics = {}
        for camera in self.cameras:
            topics[self.image_topic(camera)] = image
            topics[dialect.camera_info_topic(camera)] = CAMERA_INFO
            if any(drive.ground_truth(camera, frame) for frame in drive.images(camera).frames):
                topics[dialect.ground_truth_topic(camera)] = IMAGE
        if drive.velodyne.files:
            topics[dialect.lidar_topic] = POINT_CLOUD
        if drive.oxts.files:
            topics |= {dialect.imu_topic: IMU, dialect.gps_topic: NAV_SAT_FIX}
        return topics

    def moments(self) -> list[_Moment]:
        """Every file that is there to be written, in the order of time."""
        streams: list[tuple[str, int, SensorStream]] = [
            ("image", camera, self.drive.images(camera)) for camera in self.cameras
        ]
        streams += [("lidar", -1, self.drive.velodyne), ("oxts", -1, self.drive.oxts)]
        return sorted(
            (
                _Moment(stream.stamp(frame), sensor, camera, frame)
                for sensor, camera, stream in streams
                for frame in stream.frames
            ),
            key=lambda moment: moment.stamp,
        )

    def write(self, out: Path, progress: Callable[[int, int], object]) -> dict[str, int]:
        options = self.options
        moments = self.moments()
        start = moments[0].stamp
        with BagWriter(out, storage=options.storage, compressed=options.compressed) as bag:
            latched = offered_qos(depth=1, transient_local=True)
            bag.add_topic(TF_STATIC_TOPIC, TF_MESSAGE, qos=latched)
            for topic, kind in self.topics().items():
                bag.add_topic(topic, kind)
            tf = static_transforms(self.drive.calibration, self.cameras, options.dialect, start)
            bag.write(TF_STATIC_TOPIC, start, tf)
            made = prefetched(map(self._messages, moments), ahead=_AHEAD)
            for done, (moment, messages) in enumerate(zip(moments, made, strict=True), 1):
                for topic, content in messages:
                    bag.write(topic, moment.stamp, content)
                progress(done, len(moments))
            if self.first_error and not any(bag.counts[self.image_topic(c)] for c in self.cameras):
                raise self.first_error
            return bag.counts

    def _messages(self, moment: _Moment) -> list[tuple[str, Any]]:
        parts = {"image": (self._image, self._truth), "lidar": (self._scan,)}
        made = []
        for part in parts.get(moment.sensor, (self._reading,)):
            try:
                made += part(moment)
            except HmaDepthError as error:
                if self.on_damage is None:
                    raise
                self.first_error = self.first_error or error
                self.on_damage(error)
                break  # no true depth without its image
        return made

    def _scan(self, moment: _Moment) -> list[tuple[str, Any]]:
        dialect, path = self.options.dialect, self.drive.velodyne.path(moment.frame)
        return [(dialect.lidar_topic, lidar_cloud(path, dialect, moment.stamp))]

    def _reading(self, moment: _Moment) -> list[tuple[str, Any]]:
        dialect, path = self.options.dialect, self.drive.oxts.path(moment.frame)
        imu, fix = imu_and_gps(path, dialect, moment.stamp)
        return [(dialect.imu_topic, imu), (dialect.gps_topic, fix)]

    def _image(self, moment: _Moment) -> list[tuple[str, Any]]:
        stamp, camera, options = moment.stamp, moment.camera, self.options
        dialect = options.dialect
        path = self.drive.images(camera).path(moment.frame)
        if options.image_format == "raw":
            image = raw_image(path, camera, dialect, stamp)
            size = (image.width, image.height)
        else:
            image, size = compressed_image(
                path,
                camera,
                dialect,
                stamp,
                file_format=options.image_format,
                quality=options.jpeg_quality,
            )
        info = replace(self.infos[camera], header=image.header)
        if size != (info.width, info.height):
            raise HmaDepthError(
                f"{path} has {size[0]}x{size[1]} pixels, but the calibration in "
                f"{self.drive.calibration_folder} is for {info.width}x{info.height} "
                f"(S_rect_{camera:02d})"
            )
        return [(self.image_topic(camera), image), (dialect.camera_info_topic(camera), info)]

    def _truth(self, moment: _Moment) -> list[tuple[str, Any]]:
        camera, dialect = moment.camera, self.options.dialect
        truth = self.drive.ground_truth(camera, moment.frame)
        if truth is None:
            return []
        depth = ground_truth_image(truth, camera, dialect, moment.stamp)
        info = self.infos[camera]  # of the image's size
        if (depth.width, depth.height) != (info.width, info.height):
            raise HmaDepthError(
                f"{truth} has {depth.width}x{depth.height} pixels, its image "
                f"{info.width}x{info.height}"
            )
        return [(dialect.ground_truth_topic(camera), depth)]


def gaps(drive: Recording, cameras: Sequence[int]) -> list[str]:
    """What a partial drive lacks, one line for each sensor; empty if it is whole."""
    frames = sorted({frame for camera in cameras for frame in drive.images(camera).frames})
    lines = []
    streams = [(f"camera {camera}", drive.images(camera)) for camera in cameras]
    streams += [("LiDAR", drive.velodyne), ("GPS/IMU", drive.oxts)]
    for name, stream in streams:
        if not stream.files:
            if name == "LiDAR":
                lines.append("LiDAR: no scans")
            continue
        listed = stream.listed
        if len(stream.files) < listed:
            lines.append(f"{name}: {len(stream.files)} of the {listed} frames recorded")
        lacking = [frame for frame in frames if frame not in stream.files]
        if lacking:
            lines.append(f"{name}: without frames {ranges(lacking)}")
        absent = sorted(set(range(frames[0], frames[-1] + 1)) - set(stream.files) - set(lacking))
        if absent and name.startswith("camera"):
            lines.append(f"{name}: gaps at frames {ranges(absent)}")
    if isinstance(drive, KittiDrive):
        lines += [*_without_depth(drive, cameras), *_without_imu(drive)]
    return lines


def _without_depth(drive: KittiDrive, cameras: Sequence[int]) -> Iterator[str]:
    """Of the cameras that KITTI has annotated depth for, where it was asked for."""
    for camera in set(cameras) & set(COLOUR_CAMERAS) if drive.annotated_root else ():
        frames = drive.images(camera).frames
        lacking = [frame for frame in frames if drive.ground_truth(camera, frame) is None]
        if len(lacking) == len(frames):
            where = f"{drive.annotated_root} has none of {drive.name}"
            yield f"camera {camera}: no image has annotated depth; {where}"
        elif lacking:
            yield f"camera {camera}: no annotated depth for frames {ranges(lacking)}"
        found = [path for frame in frames if (path := drive.ground_truth(camera, frame))]
        if hint := unit_hint(found, units_per_metre=UNITS_PER_METRE):
            yield f"camera {camera}: {hint}"


def _without_imu(drive: KittiDrive) -> Iterator[str]:
    if drive.oxts.files and not np.isfinite(drive.calibration.imu_to_velodyne).all():
        path = drive.calibration_folder / IMU_FILE
        yield f"GPS/IMU: without {path} no transform says where it is; the LiDAR is the root"


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in ascending order, as in `1 to 4, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
