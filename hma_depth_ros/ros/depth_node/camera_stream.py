"""One camera of a node: its topics, calibration and figures, and what becomes of its frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

from hma_depth_ros.data.image_limits import UNPROVEN_PIXELS
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.engines.engine_choice import StartedEngine
from hma_depth_ros.inference.prediction import Prediction, PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.messages.camera_info import camera_from_info, info_for_camera
from hma_depth_ros.messages.depth_topics import INFO, POINTS
from hma_depth_ros.ros.clock_watch import ClockWatch
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.cv_bridge_images import image_from_message
from hma_depth_ros.ros.depth_node.bulk_message import Allocate
from hma_depth_ros.ros.depth_node.degraded_modes import Degradation
from hma_depth_ros.ros.depth_node.ground_frame import GroundFrame
from hma_depth_ros.ros.depth_node.height_correction import HeightCorrection
from hma_depth_ros.ros.depth_node.image_input import Frame, ImageInput, image_input
from hma_depth_ros.ros.depth_node.outputs import Outputs
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics, Snapshot
from hma_depth_ros.ros.depth_node.stream_calibration import StreamCalibration
from hma_depth_ros.ros.depth_node.stream_health import StreamHealth
from hma_depth_ros.ros.depth_node.stream_topics import StreamTopics
from hma_depth_ros.ros.patience import all_acknowledged
from hma_depth_ros.ros.topic_qos import Entity

#: In lockstep, how long a subscriber may take to acknowledge one frame's outputs.
ACKNOWLEDGE_SECONDS = 10.0

#: What is reported on of the network's numbers.
NETWORK = "the network"


@dataclass(frozen=True)
class Job:
    """A frame that somebody wants something of; parameters are those of its beginning."""

    frame: Frame
    topics: Set[str]  #: that are published
    request: PredictionRequest  #: to the predictor; its outputs may be none
    info: CameraInfo | None  #: that goes with the image
    camera: PinholeCamera | None  #: of the outputs
    predictor: DepthPredictor
    values: DepthNodeParameters
    started: float  #: time.perf_counter()
    converted: float


class CameraStream:
    """What is one camera's own, in all states of its node; the network is the node's."""

    def __init__(
        self,
        node: LifecycleNode,
        values: DepthNodeParameters,
        *,
        name: str,
        statistics: FrameStatistics,
    ) -> None:
        """Make no topic yet.

        Args:
            node: owner of publishers and subscriptions.
            values: parameters, of which those count that are fixed from the start.
            name: of the camera, above those of its topics; empty for a node's only one.
            statistics: takes the figures of the frames.

        """
        self._node = node
        self.name = name
        self.statistics = statistics
        self.reporter = ConditionLog(node.get_logger().warning)
        self.outputs: Outputs | None = None  #: while configured
        self.input: ImageInput | None = None  #: while active
        # The worker takes both at the start of a frame; a frame under way keeps the old ones.
        self._settings: tuple[DepthNodeParameters, DepthPredictor | None] = values, None
        self._topics = StreamTopics(node, name)
        self.height = HeightCorrection()
        self._ground: tuple[GroundFrame, Any] | None = None  # and its subscription
        self._calibration: StreamCalibration | None = None
        self._clock: ClockWatch | None = None
        self._health = StreamHealth(node.get_logger())
        self._lost_before: int | None = 0  # images, until the stream was deactivated last
        self._size: tuple[int, int] | None = None  # of the latest image

    # --- life cycle -----------------------------------------------------------------------------

    def configure(
        self, values: DepthNodeParameters, predictor: DepthPredictor, allocate: Allocate
    ) -> None:
        """Create the publishers.

        Args:
            values: parameters.
            predictor: makes this camera's depth.
            allocate: memory that the predictor writes to.

        Raises:
            ParameterError: a QoS override cannot be followed.

        """
        self.apply(values, predictor)
        self.outputs = Outputs(
            self._topics.create_publisher,
            predictor.scales,
            confidence=predictor.estimates_error,
            allocate=allocate,
        )

    def apply(self, values: DepthNodeParameters, predictor: DepthPredictor) -> None:
        """Take these parameters, from the next frame on."""
        self._settings = values, predictor

    @property
    def values(self) -> DepthNodeParameters:
        """The parameters."""
        return self._settings[0]

    def activate(
        self, keep: Callable[[Frame], bool], calibrated: Callable[[], None], clock: ClockWatch
    ) -> None:
        """Subscribe.

        Args:
            keep: stores a frame for the worker; False if another was lost for it.
            calibrated: is called when the first CameraInfo has come.
            clock: of the node.

        Raises:
            ParameterError: a QoS override cannot be followed.
            HmaDepthError: the ground's frame cannot be listened to.

        """
        self._clock, self._size = clock, None
        if self.values.ground_frame:
            ground = GroundFrame(self.values.ground_frame)
            self._ground = ground, ground.listen(self._node)
        self._health.begin()
        self.input = ImageInput(
            self._node,
            self._topics.own(image_input(self.values.image_transport)),
            self._topics.own("camera_info"),
            self.values,
            name=self._topics.own("image"),
            keep=keep,
            calibrated=calibrated,
            statistics=self.statistics,
            reporter=self.reporter,
        )
        self._calibration = StreamCalibration(self.info_topic(), self.image_topic(), self.reporter)

    def deactivate(self) -> None:
        """Unsubscribe."""
        if self.input is not None:
            self._lost_before = self.lost
            self.input.close()
        self.input = None
        if self._ground is not None:
            self._node.destroy_subscription(self._ground[1])
        self._ground = None
        self._health.end()

    def release(self) -> None:
        """Free the publishers and the messages' memory."""
        self._topics.destroy_publishers()
        self.outputs = None
        self._settings = self.values, None

    # --- topics ---------------------------------------------------------------------------------

    def image_topic(self) -> str:
        """Full name of the subscribed image topic."""
        return self._topics.full(image_input(self.values.image_transport))

    def info_topic(self) -> str:
        """Full name of the CameraInfos' topic."""
        return self._topics.full("camera_info")

    def endpoints(self) -> list[tuple[str, Entity]]:
        """Full topic name and kind of each endpoint, once configured."""
        assert self.outputs is not None, "it is configured"
        return [
            (self.image_topic(), "subscription"),
            (self.info_topic(), "subscription"),
            *((self._topics.full(topic), "publisher") for topic in self.outputs.publishers),
        ]

    # --- frames, in the worker's thread -----------------------------------------------------------

    def prepare(self, together: int) -> None:
        """On a GPU, build what the camera's size needs, once its calibration has told it.

        An image that comes first does the same, and takes the longer for it.

        Args:
            together: how many images may go through the network at once.

        """
        images, (_, predictor) = self.input, self._settings
        if images is None or predictor is None or not predictor.builds_for_size:
            return
        info = images.pairing.latest
        if self._size is not None or info is None or not info.width or not info.height:
            return
        if info.width * info.height > UNPROVEN_PIXELS:  # no room for what is only said to come
            return
        self._size = size = int(info.height), int(info.width)
        logger, started = self._node.get_logger(), time.perf_counter()
        try:
            camera = camera_from_info(info, width=size[1], height=size[0])
            predictor.prepare(size, camera, together=together)
        except HmaDepthError as error:  # which the first image will say again
            logger.info(f"nothing is prepared for the first image: {error}")
            return
        seconds = time.perf_counter() - started
        logger.info(f"prepared for images of {size[1]}x{size[0]} in {seconds:.1f} s")

    def network_size(self, frame: Frame) -> tuple[int, int] | None:
        """(h, w) of the network's input for a frame, as far as that can be told before it is read.

        A compressed image is taken to be of the size of the one before.
        """
        size = self._size
        if isinstance(frame.image, Image):
            size = int(frame.image.height), int(frame.image.width)
        _, predictor = self._settings
        if size is None or predictor is None:
            return None
        try:
            return predictor.plan(size).network_size
        except HmaDepthError:  # which is said when it is processed
            return None

    def begin(self, frame: Frame) -> Job | None:
        """Convert a frame, and find its calibration; None, and counted, if nobody listens.

        Raises:
            HmaDepthError: the image cannot be used.

        """
        assert self.outputs is not None
        assert self._calibration is not None
        values, predictor = self._settings
        assert predictor is not None
        images, info = self.input, frame.info
        topics = self.outputs.wanted()
        if not topics:
            self.statistics.count_skipped("nobody listens")
            return None
        started = time.perf_counter()
        image, pixel_format = image_from_message(frame.image)
        self._size = size = (image.shape[0], image.shape[1])
        if info is None and images is not None:
            info = images.pairing.latest  # which may have come since
        camera = self._calibration.of(frame.image, info, size)
        self._ask_for_mount(predictor, frame.image.header.frame_id)
        converted = time.perf_counter()

        output_camera = None if camera is None else predictor.output_camera(camera, size)
        needed = self.outputs.needs(topics)
        if output_camera is None:
            topics = topics - {POINTS}
            needed.discard("points")
        if predictor.info.depth_ranges and needed & {"depth", "points"}:
            needed.add("sample")
        out = self.outputs.arrays(
            topics,
            predictor.output_size(size),
            predictor.cloud_size(size),
            predictor.cloud_layout,
            depth_encoding=values.depth_encoding,
            mask_encoding=values.mask_encoding,
        )
        return Job(
            frame=frame,
            topics=topics,
            request=PredictionRequest(
                *(image, camera, pixel_format, needed, out),
                scale=self.height.factor(values, predictor),
            ),
            info=info,
            camera=output_camera,
            predictor=predictor,
            values=values,
            started=started,
            converted=converted,
        )

    def finish(
        self,
        job: Job,
        prediction: Prediction,
        ending: Callable[[], bool],
        in_network: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Publish what was predicted; in lockstep wait until it has arrived, unless all ends.

        Args:
            job: of `begin`.
            prediction: for it.
            ending: whether the process is about to end.
            in_network: watches over another pass through the network.

        """
        assert self.outputs is not None
        assert self._clock is not None
        predicted = time.perf_counter()
        self.reporter.solved(self.image_topic())
        self._note_undefined(prediction)
        header = job.frame.image.header
        info = None
        if INFO in job.topics and job.info is not None and job.camera is not None:
            info = info_for_camera(job.info, header, job.camera)
        self.outputs.publish(
            job.topics,
            header,
            prediction,
            info=info,
            depth_encoding=job.values.depth_encoding,
            mask_encoding=job.values.mask_encoding,
            color_range=job.values.color_range,
        )
        if job.values.lockstep:
            self._await_subscribers(job.topics, ending)
        finished = time.perf_counter()
        if prediction.sample is not None:  # now that nobody waits for it
            self._health.judge_depth(
                prediction.sample, job.request, job.predictor, job.values, in_network
            )
        self.height.look(prediction, job.values, job.predictor.mount, applied=job.request.scale)
        now = self._clock.now()
        # The last of all: what raises before makes the frame a failed one, and of one kind only.
        self.statistics.count_processed(
            latency=finished - job.frame.arrival,
            age=(now - Time.from_msg(header.stamp)).nanoseconds / 1e9 if now else None,
            stages={
                "wait": job.started - job.frame.arrival,
                "convert": job.converted - job.started,
                **prediction.seconds,
                "publish": finished - predicted,
            },
        )

    def _ask_for_mount(self, predictor: DepthPredictor, frame: str) -> None:
        """Where tf is to say how the camera is mounted, ask it; until it does, parameters count."""
        if self._ground is None:
            return
        subject = self.values.ground_frame
        try:
            predictor.mount = self._ground[0].mount(frame)
        except HmaDepthError as error:
            self.reporter.problem(subject, f"{error}; camera_height and camera_pitch count")
        else:
            self.reporter.solved(subject)

    def _note_undefined(self, prediction: Prediction) -> None:
        """Count and say that the network gave something that is no number, which stays NaN."""
        if prediction.undefined:
            self.statistics.count_undefined()
            self.reporter.problem(
                NETWORK,
                f"it gives no number (NaN) for {prediction.undefined} pixels of an image, which "
                "are published as NaN: its weights or its engine's precision are not good for it",
            )
        elif prediction.seconds:
            self.reporter.solved(NETWORK)

    def _await_subscribers(self, topics: Set[str], ending: Callable[[], bool]) -> None:
        """Hold the next frame back until this one has arrived everywhere."""
        assert self.outputs is not None
        for topic in topics:
            if ending():
                return
            publisher = self.outputs.publishers[topic]
            if not all_acknowledged(publisher, ACKNOWLEDGE_SECONDS, given_up=ending):
                self.reporter.problem(
                    self._topics.full(topic),
                    f"a subscriber has not taken a frame within {ACKNOWLEDGE_SECONDS:.0f} s",
                )

    # --- figures --------------------------------------------------------------------------------

    @property
    def lost(self) -> int | None:
        """Images lost in transport since the node's beginning; None if nobody counts them."""
        lost = 0 if self.input is None else self.input.watch.lost
        return None if lost is None or self._lost_before is None else self._lost_before + lost

    def modes(
        self, snapshot: Snapshot, started: StartedEngine | None, *, stalled: str = ""
    ) -> list[Degradation]:
        """Degraded modes that the camera is in; none while it is not active.

        To be called now and then: what begins and ends between two calls is not seen.

        Args:
            snapshot: of its statistics, now.
            started: engine of the node.
            stalled: why the network is taken to answer no more; empty if it is not.

        """
        if self.input is None or self._calibration is None or started is None:
            return []
        return self._health.modes(
            snapshot,
            started,
            self.values,
            image_topic=self.image_topic(),
            lost=self.lost,
            calibrated=self._calibration.usable,
            stalled=stalled,
        )
