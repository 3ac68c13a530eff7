"""The depth node: an image comes in; depth, masks and points go out.

The subscription's callback only stores the frame. One worker thread takes the latest one (or, in
lockstep, each one), asks the predictor for what somebody listens to, and publishes it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor, Prediction
from hma_depth_ros.inference.transfer import host_memory
from hma_depth_ros.messages.camera_info import (
    BadCalibrationError,
    camera_from_info,
    foreign_frame,
    info_for_camera,
)
from hma_depth_ros.messages.depth_topics import INFO, POINTS
from hma_depth_ros.messages.image import BadImageError
from hma_depth_ros.ros.clock_watch import ClockWatch
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.cv_bridge_images import image_from_message
from hma_depth_ros.ros.depth_node import parameters as node_parameters
from hma_depth_ros.ros.depth_node.diagnostics import diagnostic_array
from hma_depth_ros.ros.depth_node.frame_buffer import FrameBuffer, FrameQueue, LatestFrame
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel
from hma_depth_ros.ros.depth_node.outputs import Outputs
from hma_depth_ros.ros.depth_node.pairing import CachedPairing, ExactPairing
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics
from hma_depth_ros.ros.input_watch import InputWatch
from hma_depth_ros.ros.latched_input import LatchedInput, is_latched
from hma_depth_ros.ros.parameter_types import ForgivingParameters, ParameterError
from hma_depth_ros.ros.patience import all_acknowledged, unless
from hma_depth_ros.ros.topic_qos import (
    Entity,
    input_qos,
    judge_overrides,
    output_qos,
    with_overrides,
)
from hma_depth_ros.ros.transport import tune_malloc

#: How long the first frame waits for the first CameraInfo, if somebody publishes one.
FIRST_INFO_SECONDS = 1.0
#: How often the worker looks for an image while it waits for the first CameraInfo.
_POLL_SECONDS = 0.1
#: How often the node looks whether somebody latches its CameraInfo: a wait for the first one is not
#: to be in vain.
LOOK_SECONDS = 0.2
#: In lockstep, how long a subscriber may take to acknowledge one frame's outputs.
ACKNOWLEDGE_SECONDS = 10.0
#: Why the frames are dropped that wait when the node is deactivated.
STOPPED = "the node was stopped"
#: How long the end of the process waits for the frame under way.
LAST_FRAME_SECONDS = 0.5

Transition = Callable[["DepthNode", LifecycleState], TransitionCallbackReturn]


@dataclass(frozen=True)
class Frame:
    """One image on its way to the worker."""

    image: Any  #: Image or CompressedImage
    info: CameraInfo | None
    arrival: float  #: time.perf_counter()


def _logged(transition: Transition) -> Transition:
    """Log what a transition raises: rclpy itself would swallow it."""

    def wrapper(self: DepthNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            result = transition(self, state)
            self._failure = ""
            return result
        except HmaDepthError as error:
            self._failure = str(error)
            if not self._ending():
                self.get_logger().error(self._failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            if self._ending():
                return TransitionCallbackReturn.FAILURE
            self._failure = repr(error)
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR

    return wrapper


class DepthNode(ForgivingParameters, LifecycleNode):
    """Managed node; the topics are those of the README's table."""

    def __init__(
        self,
        node_name: str = "depth_node",
        *,
        statistics: FrameStatistics | None = None,
        stop: threading.Event | None = None,
        **kwargs: Any,
    ) -> None:
        """Start; with autostart, the first thing that the executor is given to do is to configure.

        Args:
            node_name: name.
            statistics: takes the figures of the frames, of which benchmarks keep more.
            stop: once it is set the process ends: what takes long is left undone.
            kwargs: rclpy's.

        """
        super().__init__(node_name, **kwargs)
        self._stop_request = stop or threading.Event()
        self._destroyed = False
        self._model: LoadedModel | None = None
        self._predictor: DepthPredictor | None = None
        self._outputs: Outputs | None = None
        self._buffer: FrameBuffer[Frame] | None = None
        self._pairing: CachedPairing | ExactPairing | None = None
        self._worker: threading.Thread | None = None
        self._inputs: list[Any] = []
        self._watch: InputWatch | None = None
        self._clock_watch: ClockWatch | None = None
        self._latched_info: LatchedInput | None = None
        self._lost_before: int | None = 0  # images, until the node was deactivated last
        self._created_publishers: list[Any] = []
        self._statistics = statistics or FrameStatistics()
        self._reporter = ConditionLog(self.get_logger().warning)
        self._latest_stamp = 0
        self._info_awaited = False
        self._failure = ""  # why the last transition did not succeed

        node_parameters.declare(self)
        self.add_on_set_parameters_callback(self._validate)
        self.add_post_set_parameters_callback(self._apply)
        self._values = startup = self._startup_values()
        if startup.tune_malloc and not tune_malloc():
            self.get_logger().warning("tune_malloc: this C library has no mallopt; ignored")
        self._diagnostics = self.create_publisher(
            DiagnosticArray,
            "/diagnostics",
            self._qos("/diagnostics", "publisher", QoSProfile(depth=10)),
        )
        # Diagnostics go on while simulated time stands still.
        self.create_timer(
            startup.diagnostics_period,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_timer(
            LOOK_SECONDS, self._look_for_latched_info, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._autostart_timer = (
            self.create_timer(0.0, self._autostart, clock=Clock(clock_type=ClockType.STEADY_TIME))
            if startup.autostart
            else None
        )

    # --- parameters -----------------------------------------------------------------------------

    def _startup_values(self) -> DepthNodeParameters:
        """Values that are fixed from the start; the rest is judged while configuring."""
        return DepthNodeParameters(
            autostart=self.get_parameter("autostart").value,
            tune_malloc=self.get_parameter("tune_malloc").value,
            diagnostics_period=self.get_parameter("diagnostics_period").value,
            hardware_id=self.get_parameter("hardware_id").value,
        )

    def _validate(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if not node_parameters.is_declared(change.name):
                continue
            try:
                node_parameters.validate(change.name, change.value)
            except ParameterError as error:
                return SetParametersResult(successful=False, reason=str(error))
            if self._model is not None and not node_parameters.is_live(change.name):
                reason = (
                    f"{change.name} takes effect while configuring only: run 'ros2 lifecycle set "
                    f"{self.get_fully_qualified_name()}' with deactivate and cleanup, set it, then "
                    "configure and activate"
                )
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _apply(self, changes: list[Parameter]) -> None:
        if self._model is None or not any(node_parameters.is_declared(c.name) for c in changes):
            return
        # The worker takes both at the start of a frame; a frame under way keeps the old ones.
        self._values = node_parameters.read(self)
        self._predictor = self._model.predictor(self._values)

    # --- life cycle -----------------------------------------------------------------------------

    def _autostart(self) -> None:
        assert self._autostart_timer is not None
        self._autostart_timer.cancel()  # once
        if self._state_machine.current_state[1] != "unconfigured":
            return  # somebody was faster
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _ending(self) -> bool:
        """Whether node or process are about to end, and nobody waits for results any more."""
        return self._destroyed or self._stop_request.is_set() or not self.context.ok()

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers."""
        values = node_parameters.read(self)
        # Compiling a network takes seconds in C, in which a thread hears of no signal.
        model = unless(self._ending, lambda: LoadedModel(values, warn=self.get_logger().warning))
        self._values, self._model = values, model
        self._predictor = model.predictor(values)
        try:
            self._outputs = Outputs(
                self._create_output,
                self._predictor.scales,
                allocate=partial(host_memory, device=model.engine.device),
            )
            self._judge_qos_overrides()
        except ParameterError:
            self._release()
            raise
        self.get_logger().info(", ".join(f"{k}: {v}" for k, v in model.setup().items()))
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe."""
        result = super().on_activate(state)
        values = self._values
        self._buffer = FrameQueue() if values.lockstep else LatestFrame()
        self._pairing = (
            ExactPairing(self._store, lost=self._count_unpaired)
            if values.pairing == "exact"
            else CachedPairing(self._store)
        )
        self._info_awaited = False
        self._latest_stamp = 0
        self._watch = InputWatch(
            self, self.image_topic(), self._reporter, name="image", what="image"
        )
        self._clock_watch = ClockWatch(self, self._reporter)
        self._worker = threading.Thread(
            target=self._work, args=(self._buffer,), name="depth_worker", daemon=True
        )
        self._worker.start()
        kind = CompressedImage if values.image_transport == "compressed" else Image
        info_topic = self.resolve_topic_name("camera_info")
        add_info = self._pairing.add_info
        try:
            infos = self._create_input(CameraInfo, info_topic, add_info)
            images = self._create_input(kind, self.image_topic(), self._on_image)
        except ParameterError:
            self._stop()
            raise
        self._watch.attach(images)
        # What is latched has the stamp of no image. And an override may have asked for it already.
        if values.pairing == "cached" and not is_latched(infos.qos_profile):
            self._latched_info = LatchedInput(self, CameraInfo, info_topic, add_info)
        return result

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker after its frame."""
        self._stop()
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model, its device memory and the publishers."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured, from where the node can be configured again."""
        failure = self._failure
        result = self.on_shutdown(state)
        self._failure = failure  # what led here is still what is wrong
        return result

    def destroy_node(self) -> None:
        """Stop the worker before the publishers go."""
        self._destroyed = True
        self._stop()
        super().destroy_node()
        # It holds the node, and so the DDS participant with its shared memory.
        self._state_machine.destroy_when_not_in_use()

    def _stop(self) -> None:
        if self._watch is not None:
            self._lost_before = self._lost()
            self._watch.close()
        if self._latched_info is not None:
            self._latched_info.close()
        self._watch = self._latched_info = None
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        if self._buffer is not None and self._pairing is not None:
            left = self._buffer.close() + self._pairing.waiting
            self._statistics.count_dropped(STOPPED, left)
        if self._worker is not None:
            self._worker.join(LAST_FRAME_SECONDS if self._ending() else None)
        self._buffer = self._worker = self._pairing = self._clock_watch = None
        self._reporter.clear()

    def _release(self) -> None:
        for publisher in self._created_publishers:
            self.destroy_lifecycle_publisher(publisher)
        self._created_publishers = []
        on_cuda = self._model is not None and self._model.engine.device.type == "cuda"
        self._outputs = self._predictor = self._model = None
        if on_cuda:
            torch.cuda.empty_cache()

    def _create_output(self, kind: Any, topic: str) -> Any:
        qos = self._qos(self.resolve_topic_name(topic), "publisher", output_qos())
        publisher = self.create_lifecycle_publisher(kind, topic, qos)
        self._created_publishers.append(publisher)
        return publisher

    def _create_input(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        qos = self._qos(topic, "subscription", input_qos(lockstep=self._values.lockstep))
        subscription = self.create_subscription(kind, topic, callback, qos)
        self._inputs.append(subscription)
        return subscription

    def _qos(self, topic: str, entity: Entity, profile: QoSProfile) -> QoSProfile:
        return with_overrides(self, topic, entity, profile)

    def _judge_qos_overrides(self) -> None:
        """Let none be ignored in silence."""
        assert self._outputs is not None
        endpoints: list[tuple[str, Entity]] = [
            ("/diagnostics", "publisher"),
            (self.image_topic(), "subscription"),
            (self.resolve_topic_name("camera_info"), "subscription"),
            *((self.resolve_topic_name(name), "publisher") for name in self._outputs.publishers),
        ]
        judge_overrides(self, endpoints)

    # --- frames ---------------------------------------------------------------------------------

    def image_topic(self) -> str:
        """Full name of the subscribed image topic.

        Like image_transport: the base name is remapped first and the transport appended.
        """
        base = self.resolve_topic_name("image")
        return f"{base}/compressed" if self._values.image_transport == "compressed" else base

    def _on_image(self, image: Any) -> None:
        self._statistics.count_arrived()
        if self._watch is None or self._pairing is None:  # taken before, served after the stop
            self._statistics.count_dropped(STOPPED)
            return
        self._watch.note_arrival()
        if image.header.stamp.sec < 0:
            self._statistics.count_failed("bad image")
            self._reporter.problem(self.image_topic(), "an image's stamp is negative")
            return
        stamp = Time.from_msg(image.header.stamp).nanoseconds
        if stamp < self._latest_stamp:
            self.get_logger().info(
                f"{self.image_topic()}: stamps went back by "
                f"{(self._latest_stamp - stamp) / 1e9:.3f} s, as when a bag starts again",
                throttle_duration_sec=5.0,
            )
        self._latest_stamp = stamp
        self._pairing.add_image(image)

    def _store(self, image: Any, info: CameraInfo | None) -> None:
        buffer = self._buffer
        if buffer is None:
            self._statistics.count_dropped(STOPPED)
        elif not buffer.put(Frame(image, info, time.perf_counter())):
            self._statistics.count_dropped("replaced by a newer frame")

    def _count_unpaired(self) -> None:
        self._statistics.count_dropped("no camera_info of its stamp")
        self._reporter.problem(
            self.resolve_topic_name("camera_info"),
            f"none has the stamp of an image on {self.image_topic()}, which is dropped: publish "
            "both with the same stamp, or set pairing:=cached",
        )

    def _prepare(self, buffer: FrameBuffer[Frame]) -> None:
        """On a GPU, build what the camera's size needs when its calibration tells it.

        An image that comes first does the same, and takes the longer for it.
        """
        predictor, pairing = self._predictor, self._pairing
        if predictor is None or not predictor.builds_for_size:
            return
        info = None
        while isinstance(pairing, CachedPairing) and info is None and not buffer.ready:
            info = pairing.wait_for_info(_POLL_SECONDS)
        if info is None or not info.width or not info.height:
            return
        size = int(info.height), int(info.width)
        started = time.perf_counter()
        try:
            camera = camera_from_info(info, width=size[1], height=size[0])
            predictor.prepare(size, camera)
        except HmaDepthError as error:  # which the first image will say again
            self.get_logger().info(f"nothing is prepared for the first image: {error}")
            return
        self.get_logger().info(
            f"prepared for images of {size[1]}x{size[0]} in {time.perf_counter() - started:.1f} s"
        )

    def _work(self, buffer: FrameBuffer[Frame]) -> None:
        self._prepare(buffer)
        while (frame := buffer.take()) is not None:
            try:
                self._process(frame)
            except HmaDepthError as error:
                bad = isinstance(error, BadImageError)
                self._statistics.count_failed("bad image" if bad else "bad request")
                self._reporter.problem(self.image_topic(), str(error))
            except Exception:  # a bug must not end the node, nor go unseen
                if self._ending():  # the publishers have gone meanwhile
                    self._statistics.count_dropped(STOPPED)
                    return
                self._statistics.count_failed("internal error")
                self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _process(self, frame: Frame) -> None:
        outputs, predictor, values = self._outputs, self._predictor, self._values
        clock = self._clock_watch
        assert outputs is not None
        assert predictor is not None
        assert clock is not None
        topics = outputs.wanted()
        if not topics:
            self._statistics.count_skipped("nobody listens")
            return
        started = time.perf_counter()
        image, pixel_format = image_from_message(frame.image)
        size = (image.shape[0], image.shape[1])
        info, camera = self._calibration(frame, size)
        converted = time.perf_counter()

        output_camera = None if camera is None else predictor.output_camera(camera, size)
        needed = outputs.needs(topics)
        if output_camera is None:
            topics = topics - {POINTS}
            needed.discard("points")
        prediction = Prediction(camera=output_camera)
        if needed:
            prediction = predictor.predict(
                image,
                camera,
                pixel_format=pixel_format,
                outputs=needed,
                out=outputs.arrays(
                    topics,
                    predictor.output_size(size),
                    predictor.cloud_layout,
                    values.depth_encoding,
                ),
            )
        predicted = time.perf_counter()
        self._reporter.solved(self.image_topic())

        header = frame.image.header
        output_info = None
        if INFO in topics and info is not None and output_camera is not None:
            output_info = info_for_camera(info, header, output_camera)
        outputs.publish(
            topics,
            header,
            prediction,
            info=output_info,
            depth_encoding=values.depth_encoding,
            color_range=values.color_range,
        )
        if values.lockstep:
            self._await_subscribers(outputs, topics)
        finished = time.perf_counter()
        now = clock.now()
        self._statistics.count_processed(
            latency=finished - frame.arrival,
            age=(now - Time.from_msg(header.stamp)).nanoseconds / 1e9 if now else None,
            stages={
                "wait": started - frame.arrival,
                "convert": converted - started,
                **prediction.seconds,
                "publish": finished - predicted,
            },
        )

    def _calibration(
        self, frame: Frame, size: tuple[int, int]
    ) -> tuple[CameraInfo | None, PinholeCamera | None]:
        """Return the frame's CameraInfo and camera; both None, with a warning, if unusable."""
        topic = self.resolve_topic_name("camera_info")
        info = frame.info
        pairing = self._pairing
        if info is None and isinstance(pairing, CachedPairing):
            # Both topics have just begun: an unscaled first depth image would be a wrong one.
            wait = not self._info_awaited and self.count_publishers(topic) > 0
            info = pairing.wait_for_info(FIRST_INFO_SECONDS if wait else 0)
            self._info_awaited |= wait
        consequence = "depth is not scaled to this camera, and no cloud is published"
        if info is None:
            self._reporter.problem(topic, f"no camera_info has arrived: {consequence}")
            return None, None
        try:
            camera = camera_from_info(info, width=size[1], height=size[0])
        except BadCalibrationError as error:
            self._reporter.problem(topic, f"{error}: {consequence}")
            return None, None
        if problem := foreign_frame(info, frame.image, self.image_topic()):
            self._reporter.problem(topic, problem)
        else:
            self._reporter.solved(topic)
        return info, camera

    def _await_subscribers(self, outputs: Outputs, topics: Any) -> None:
        """Hold the next frame back until this one has arrived everywhere."""
        for topic in topics:
            publisher = outputs.publishers[topic]
            if self._ending():
                return
            if not all_acknowledged(publisher, ACKNOWLEDGE_SECONDS, given_up=self._ending):
                self._reporter.problem(
                    topic, f"a subscriber has not taken a frame within {ACKNOWLEDGE_SECONDS:.0f} s"
                )

    # --- diagnostics ----------------------------------------------------------------------------

    @property
    def setup(self) -> dict[str, str]:
        """What runs: engine, precision, checkpoint and so on; empty while unconfigured."""
        return self._model.setup() if self._model is not None else {}

    def _lost(self) -> int | None:
        """Images lost in transport since the node's beginning; None if nobody counts them."""
        lost = 0 if self._watch is None else self._watch.lost
        return None if lost is None or self._lost_before is None else self._lost_before + lost

    def _look_for_latched_info(self) -> None:
        if self._latched_info is not None:
            self._latched_info.look()

    def _publish_diagnostics(self) -> None:
        if self._watch is not None:
            self._watch.look()
        snapshot = self._statistics.snapshot()
        if self._clock_watch is not None:
            self._clock_watch.look()
            if self._clock_watch.now() is None:
                snapshot = replace(snapshot, age=None)
        state = self._state_machine.current_state[1]
        setup, values = self.setup, self._values
        self._diagnostics.publish(
            diagnostic_array(
                stamp=self.get_clock().now().to_msg(),
                name=self.get_fully_qualified_name(),
                state=state,
                failure=self._failure,
                problems=self._reporter.problems(),
                snapshot=snapshot,
                setup=setup,
                hardware_id=values.hardware_id or setup.get("device", ""),
                lost=self._lost(),
            )
        )
