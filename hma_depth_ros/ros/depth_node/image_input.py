"""Images of one camera and their CameraInfos, as they come: subscribed, watched and joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.depth_node.pairing import CachedPairing, ExactPairing
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics
from hma_depth_ros.ros.input_watch import InputWatch
from hma_depth_ros.ros.latched_input import LatchedInput, is_latched
from hma_depth_ros.ros.sequence_gaps import SequenceGaps
from hma_depth_ros.ros.topic_qos import input_qos, with_overrides

#: With this transport the images' topic is another one than `image`.
COMPRESSED_IMAGE = "image/compressed"
#: Topics before remapping: their type, and what is taken, for people (docs/node.md has the table).
INPUTS: dict[str, tuple[Any, str]] = {
    "image": (
        Image,
        "**rectified**. rgb8, bgr8, rgba8, bgra8 and mono8 are used in place; Bayer, YUV 4:2:2 and "
        "16-bit are converted by OpenCV, anything else by cv_bridge where it is installed",
    ),
    COMPRESSED_IMAGE: (
        CompressedImage,
        "instead, with `image_transport:=compressed`; JPEG, PNG and what else OpenCV reads, with "
        "`format` as image_transport defines it (Bayer, order of colours, 16 bits)",
    ),
    "camera_info": (
        CameraInfo,
        "**P** counts, as in image_geometry and depth_image_proc; of zeros, K does where there is "
        "no distortion and no rotation; binning and region of interest "
        "are respected",
    ),
}

#: Why the frames are dropped that wait when the node is deactivated.
STOPPED = "the node was stopped"
#: Why they are dropped when the node is slower than the camera.
REPLACED = "replaced by a newer frame"
#: Likewise, if it is so slow that they did not get beyond the subscription's own queue.
OVERRUN = "replaced before the node could take it"
#: Why they are dropped when the network is stalled.
STALLED = "the network does not answer"
#: Why they are dropped with exact pairing.
UNPAIRED = "no camera_info of its stamp"


def image_input(transport: str) -> str:
    """Which of the topics has the images of this transport, raw or compressed."""
    return COMPRESSED_IMAGE if transport == "compressed" else "image"


@dataclass(frozen=True)
class Frame:
    """One image on its way to the worker."""

    image: Any  #: Image or CompressedImage
    info: CameraInfo | None
    arrival: float  #: time.perf_counter()


class ImageInput:
    """Both subscriptions, from their creation to `close`; images go to the pairing, then on."""

    def __init__(
        self,
        node: Node,
        image: str,
        camera_info: str,
        values: DepthNodeParameters,
        *,
        name: str,
        keep: Callable[[Frame], bool],
        calibrated: Callable[[], None],
        statistics: FrameStatistics,
        reporter: ConditionLog,
    ) -> None:
        """Subscribe.

        Args:
            node: owner of the subscriptions.
            image: name of the topic, which ROS remaps.
            camera_info: likewise.
            values: parameters.
            name: of the image topic that is to be remapped, for people.
            keep: stores a frame for the worker; False if another was lost for it.
            calibrated: is called when the first CameraInfo has come.
            statistics: counts what comes, and what goes no further.
            reporter: is told what is wrong.

        Raises:
            ParameterError: a QoS override cannot be followed.

        """
        self._node, self._values = node, values
        image_topic, info_topic = map(node.resolve_topic_name, (image, camera_info))
        self._image_topic, self._info_topic = image_topic, info_topic
        self._keep, self._calibrated = keep, calibrated
        self._statistics, self._reporter = statistics, reporter
        self._closed = False
        self._latest_stamp = 0
        self._gaps = SequenceGaps()
        self._missing = self._overrun = 0  # images; the second, of these not lost on the way
        self._latched_info: LatchedInput | None = None
        self.pairing: CachedPairing | ExactPairing = (
            ExactPairing(self._store, lost=self._count_unpaired)
            if values.pairing == "exact"
            else CachedPairing(
                self._store,
                expected=lambda: node.count_publishers(info_topic) > 0,
                replaced=None if values.lockstep else self._count_replaced,
            )
        )
        self.watch = InputWatch(node, image_topic, reporter, name=name, what="image")
        self.subscriptions: list[Any] = []
        kind, _ = INPUTS[image_input(values.image_transport)]
        try:
            infos = self._subscribe(CameraInfo, camera_info, self._on_info)
            images = self._subscribe(kind, image, self._take)
        except BaseException:
            self.close()
            raise
        self.watch.attach(images)
        # What is latched has the stamp of no image. And an override may have asked for it already.
        if values.pairing == "cached" and not is_latched(infos.qos_profile):
            self._latched_info = LatchedInput(node, CameraInfo, camera_info, self._on_info)

    def _subscribe(self, kind: Any, name: str, callback: Callable[..., None]) -> Any:
        topic = self._node.resolve_topic_name(name)
        qos = input_qos(lockstep=self._values.lockstep)
        qos = with_overrides(self._node, topic, "subscription", qos)
        subscription = self._node.create_subscription(kind, name, callback, qos)
        self.subscriptions.append(subscription)
        return subscription

    def look(self) -> None:
        """Look for a latched CameraInfo, and after images that wait; to be called now and then."""
        if self._latched_info is not None:
            self._latched_info.look()
        self.pairing.look()

    def close(self) -> None:
        """Unsubscribe; images that wait for their CameraInfo are dropped."""
        self._closed = True
        self.watch.close()
        if self._latched_info is not None:
            self._latched_info.close()
        for subscription in self.subscriptions:
            self._node.destroy_subscription(subscription)
        self.subscriptions = []
        self._statistics.count_dropped(STOPPED, self.pairing.waiting)

    def _take(self, image: Any, info: Mapping[str, Any]) -> None:
        """Count what is missing before an image, and take it."""
        if missing := self._gaps.note(info):
            self._missing += missing
            overrun = self._missing - (self.watch.lost or 0)
            if overrun > self._overrun:
                self._statistics.count_missed(OVERRUN, overrun - self._overrun)
                self._overrun = overrun
        self.on_image(image)

    def on_image(self, image: Any) -> None:
        """Take an image."""
        self._statistics.count_arrived()
        if self._closed:  # taken before, served after the stop
            self._statistics.count_dropped(STOPPED)
            return
        self.watch.note_arrival()
        if image.header.stamp.sec < 0:
            self._statistics.count_failed("bad image")
            self._reporter.problem(self._image_topic, "an image's stamp is negative")
            return
        stamp = Time.from_msg(image.header.stamp).nanoseconds
        if stamp < self._latest_stamp:
            self._node.get_logger().info(
                f"{self._image_topic}: stamps went back by "
                f"{(self._latest_stamp - stamp) / 1e9:.3f} s, as when a bag starts again",
                throttle_duration_sec=5.0,
            )
        self._latest_stamp = stamp
        self.pairing.add_image(image)

    def _on_info(self, info: CameraInfo) -> None:
        first = self.pairing.latest is None
        self.pairing.add_info(info)
        if first and self.pairing.latest is not None:
            self._calibrated()

    def _store(self, image: Any, info: CameraInfo | None) -> None:
        if self._closed:
            self._statistics.count_dropped(STOPPED)
        elif not self._keep(Frame(image, info, time.perf_counter())):
            self._count_replaced()

    def _count_replaced(self) -> None:
        self._statistics.count_dropped(REPLACED)

    def _count_unpaired(self) -> None:
        self._statistics.count_dropped(UNPAIRED)
        self._reporter.problem(
            self._info_topic,
            f"none has the stamp of an image on {self._image_topic}, which is dropped: publish "
            "both with the same stamp, or set pairing:=cached",
        )
