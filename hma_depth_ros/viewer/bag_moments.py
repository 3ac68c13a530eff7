"""A camera of a bag: its images, what a depth node made of them, the LiDAR, the car's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.bags.gps_places import add_gps_places
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.scoring.topic_cursor import TopicCursor
from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.depth.lidar_occlusion import without_occluded
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import depth_metrics
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.camera_info import camera_from_info
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.pictures import rgb_image
from hma_depth_ros.messages.point_cloud import cloud_xyz, lidar_returns
from hma_depth_ros.messages.weight_image import weight_array
from hma_depth_ros.viewer.bag_topics import find_viewed_topics
from hma_depth_ros.viewer.moment import Contents, Moment
from hma_depth_ros.viewer.predicted import predicted

#: Nanoseconds between an image and the scan beside it.
_NEAR = 60_000_000
#: Metres of the depth that is compared with the LiDAR.
_NEAREST, _FARTHEST = 1e-3, 80.0


class BagMoments:
    """The moments of one camera of a bag; a context manager."""

    def __init__(
        self,
        path: Path,
        *,
        image_topic: str | None,
        every: int,
        load_predictor: Callable[[], DepthPredictor],
    ) -> None:
        """Open the bag.

        Args:
            path: of the bag.
            image_topic: of the camera; the bag's first one if None.
            every: take each so manieth image.
            load_predictor: makes depth for a bag that has none.

        Raises:
            HmaDepthError: the bag cannot be read or has no such camera.

        """
        self._stack = ExitStack()
        self._path, self._every = path, every
        with BagReader(path) as bag:
            self.remarks = list(bag.remarks)
            self._transforms = Transforms.of_bag(bag)
            topics = self._topics = find_viewed_topics(
                bag, self._transforms, image_topic=image_topic
            )
            self._frame = topics.frame
            moving = self._transforms.moves(self._frame) or add_gps_places(
                bag, self._transforms, self._frame
            )
            info_topic = topics.camera.info
            self._info = bag.first(info_topic) if info_topic else None
        self._predictor = load_predictor() if topics.depth is None else None
        made = self._predictor
        self.contents = Contents(
            title=path.absolute().name,
            max_depth=made.max_depth if made else _FARTHEST,
            scales=len(made.scales if made else topics.masks),
            confidence=made.estimates_error if made else topics.confidence is not None,
            cloud=topics.cloud is not None or self._info is not None,
            lidar=topics.lidar is not None,
            moving=moving,
        )
        names = [topics.camera.image, *topics.joined, *filter(None, [topics.lidar])]
        self._cursors = {name: self._open(name) for name in names}
        self._numbers = {
            name: {stamp: number for number, stamp in enumerate(cursor.stamps())}
            for name, cursor in self._cursors.items()
        }

    def _open(self, topic: str) -> TopicCursor:
        return self._stack.enter_context(TopicCursor(self._path, topic))

    def __enter__(self) -> BagMoments:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Moment]:
        """Every image that has depth, in the order of the bag.

        Raises:
            HmaDepthError: a message is damaged.

        """
        topics = self._topics
        stamps = list(self._numbers[topics.camera.image])
        if topics.depth is not None:
            stamps = [stamp for stamp in stamps if stamp in self._numbers[topics.depth]]
        if not stamps:
            raise HmaDepthError(
                f"{self._path}: no image on {topics.camera.image} has depth on {topics.depth}"
            )
        for stamp in stamps[:: self._every]:
            yield self._moment(stamp)

    def _moment(self, stamp: int) -> Moment:
        topics = self._topics
        image = rgb_image(self._read(topics.camera.image, stamp))
        camera = None
        if self._info is not None:
            camera = camera_from_info(self._info, width=image.shape[1], height=image.shape[0])
        if self._predictor is not None:
            moment = predicted(self._predictor, image, camera, stamp)
        else:
            moment = self._recorded(image, camera, stamp)
        return self._surroundings(moment)

    def _recorded(
        self, image: npt.NDArray[np.uint8], camera: PinholeCamera | None, stamp: int
    ) -> Moment:
        topics = self._topics
        depth = depth_array(self._read(topics.depth, stamp))
        masks = [self._read(topic, stamp) for topic in topics.masks]
        confidence = self._read(topics.confidence, stamp)
        cloud = self._read(topics.cloud, stamp)
        points = None
        if cloud is not None:
            points = cloud_xyz(cloud).astype(np.float32, copy=False)
            points = points.reshape(cloud.height, cloud.width, 3)
        elif camera is not None and topics.cloud is None:
            points = back_project(depth, camera.resize(width=depth.shape[1], height=depth.shape[0]))
        whole = masks and all(mask is not None for mask in masks)
        return Moment(
            stamp,
            image,
            camera,
            depth,
            np.stack([weight_array(mask) for mask in masks]) if whole else None,
            None if confidence is None else weight_array(confidence),
            points,
        )

    def _surroundings(self, moment: Moment) -> Moment:
        """Add LiDAR, place and figures."""
        place = self._transforms.place(self._frame, moment.stamp)
        lidar = self._lidar(moment.stamp)
        figures = dict(moment.figures)
        if lidar is not None and moment.depth is not None and moment.camera is not None:
            figures |= _errors(lidar, moment.depth, moment.camera)
        if moment.confidence is not None:
            figures["mean confidence"] = float(np.nanmean(moment.confidence))
        return replace(moment, lidar=lidar, place=place, figures=figures)

    def _lidar(self, stamp: int) -> npt.NDArray[np.float64] | None:
        """Returns of the nearest scan in the camera's frame at the image's time."""
        topic = self._topics.lidar
        if topic is None:
            return None
        nearest = min(self._numbers[topic], key=lambda other: abs(other - stamp))
        if abs(nearest - stamp) > _NEAR:
            return None
        scan = self._cursors[topic].read(self._numbers[topic][nearest])
        frame = scan.header.frame_id
        place = self._transforms.lookup(self._frame, frame, stamp)
        motion = self._transforms.motion(frame, nearest, stamp)
        to_camera = place if motion is None else place @ motion
        return lidar_returns(scan) @ to_camera[:3, :3].T + to_camera[:3, 3]

    def _read(self, topic: str | None, stamp: int) -> Any | None:
        number = self._numbers[topic].get(stamp) if topic else None
        return None if topic is None or number is None else self._cursors[topic].read(number)


def _errors(
    lidar: npt.NDArray[np.float64], depth: npt.NDArray[np.float32], camera: PinholeCamera
) -> dict[str, float]:
    """Depth against returns in the camera's frame; nothing where they do not meet."""
    of_depth = camera.resize(width=depth.shape[1], height=depth.shape[0])
    truth = without_occluded(project_scan(lidar, np.eye(4), of_depth))
    both = (truth > _NEAREST) & (truth < _FARTHEST) & np.isfinite(depth)
    if not both.any():
        return {}
    metrics = depth_metrics(depth[both], truth[both])
    return {"AbsRel against LiDAR": metrics["abs_rel"], "d1 against LiDAR": metrics["d1"]}
