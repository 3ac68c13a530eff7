"""The depth node: an image comes in; depth, masks and points go out.

The subscription's callback only stores the frame. A worker thread takes the latest one (or, in
lockstep, each one), asks the predictor for what somebody listens to, and publishes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.transfer import host_memory
from hma_depth_ros.ros.clock_watch import ClockWatch
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.depth_node.camera_stream import CameraStream
from hma_depth_ros.ros.depth_node.declared_parameters import DeclaredParameters
from hma_depth_ros.ros.depth_node.degraded_modes import Mode
from hma_depth_ros.ros.depth_node.diagnostics import CameraStatus, diagnostic_array
from hma_depth_ros.ros.depth_node.engine_recovery import EngineRecovery
from hma_depth_ros.ros.depth_node.frame_loop import FrameLoop
from hma_depth_ros.ros.depth_node.image_input import INPUTS
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters
from hma_depth_ros.ros.depth_node.stall_watch import (
    FIRST_TIMES,
    Silence,
    StallWatch,
)
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics
from hma_depth_ros.ros.managed_node import ManagedNode, logged
from hma_depth_ros.ros.parameter_types import ParameterError
from hma_depth_ros.ros.patience import unless
from hma_depth_ros.ros.topic_qos import Entity, judge_overrides, with_overrides
from hma_depth_ros.ros.transport import tune_malloc
from hma_depth_ros.ros.undeclared import remapping, report_undeclared

#: How often the node looks whether somebody latches its CameraInfo: a wait for the first one is not
#: to be in vain.
LOOK_SECONDS = 0.2

#: What is said to take long.
LOADING = "configure"

#: Transitions that take a new engine.
LOAD_ANEW = "cleanup, configure, activate"


class DepthNode(ManagedNode):
    """Managed node; the topics are those of docs/node.md's tables."""

    def __init__(
        self,
        node_name: str = "depth_node",
        *,
        statistics: Callable[[], FrameStatistics] = FrameStatistics,
        stop: threading.Event | None = None,
        **kwargs: Any,
    ) -> None:
        """Start; with autostart, the first thing that the executor is given to do is to configure.

        Args:
            node_name: name.
            statistics: makes what takes the figures of a camera's frames; benchmarks keep more.
            stop: once it is set the process ends: what takes long is left undone.
            kwargs: rclpy's.

        """
        super().__init__(node_name, stop=stop, **kwargs)
        self.cameras: list[CameraStream] = []
        self._model: LoadedModel | None = None
        self._recovery: EngineRecovery | None = None  # of the model's engine
        self._watch: StallWatch[CameraStream] | None = None  # likewise
        self._loop: FrameLoop | None = None
        self._clock_watch: ClockWatch | None = None
        self._reporter = ConditionLog(self.get_logger().warning)  # of what is no camera's

        self._declared = self.declare()
        self.add_on_set_parameters_callback(self._judge)
        self.add_post_set_parameters_callback(self._apply)
        self._values: DepthNodeParameters = self._declared.from_the_start()
        startup = self._values
        if startup.tune_malloc and not tune_malloc():
            self.get_logger().warning("tune_malloc: this C library has no mallopt; ignored")
        self.cameras = [
            CameraStream(self, self._declared.from_the_start(n), name=n, statistics=statistics())
            for n in self.camera_names()
        ]
        names = self.camera_names()
        report_undeclared(
            self,
            possible=self._declared.possible_own(names),
            advice=remapping(*(f"{n}/{t}".lstrip("/") for n in names for t in INPUTS)),
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray,
            "/diagnostics",
            with_overrides(self, "/diagnostics", "publisher", QoSProfile(depth=10)),
        )
        self.steady_timer(startup.diagnostics_period, self._publish_diagnostics)
        self.steady_timer(LOOK_SECONDS, self._look)
        if startup.autostart:
            self.start_by_itself()

    # --- what a rig has otherwise ---------------------------------------------------------------

    def declare(self) -> DeclaredParameters[Any]:
        """Declare the parameters.

        Raises:
            ParameterError: a value given at the start cannot be.

        """
        return DeclaredParameters(self, DepthNodeParameters)

    def camera_names(self) -> tuple[str, ...]:
        """Of each camera the name above those of its topics."""
        return ("",)

    def side_by_side(self, values: DepthNodeParameters) -> int:
        """How many cameras' images may be in the network at the same time, each for itself."""
        return 1

    def together(self, predictor: DepthPredictor) -> int:
        """How many cameras' images may go through the network as one batch."""
        return 1

    # --- parameters -----------------------------------------------------------------------------

    def _judge(self, changes: list[Parameter]) -> SetParametersResult:
        return self._declared.judge(changes, configured=self._model is not None)

    def _apply(self, changes: list[Parameter]) -> None:
        if self._model is None or not self._declared.concern(changes):
            return
        self._values = self._declared.read()
        if self._watch is not None:
            self._watch.timeout = self._values.engine_timeout
        for camera in self.cameras:
            values = self._declared.read_own(self._values, camera.name)
            camera.apply(values, self._model.predictor(values))
        self._report_what_is_ignored()

    def _report_what_is_ignored(self) -> None:
        """Say, while the node is active, which parameters the model has no use for."""
        if self._loop is None or self._model is None:
            return
        if self._values.min_confidence and not self._model.info.model.uncertainty:
            self._reporter.problem(
                "min_confidence",
                "is ignored, for this network does not estimate its error; set it to 0, or use one "
                "that does, as the bundled one",
            )
        else:
            self._reporter.solved("min_confidence")

    # --- life cycle -----------------------------------------------------------------------------

    @logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers."""
        values = self._declared.read()
        own = [self._declared.read_own(values, camera.name) for camera in self.cameras]
        # Compiling a network takes seconds in C, in which a thread hears of no signal.
        # In lockstep a frame's outputs are delivered before the next frame is begun.
        side_by_side = 1 if values.lockstep else self.side_by_side(values)
        warn = self.get_logger().warning
        try:
            model = unless(
                self.ending,
                lambda: LoadedModel(values, side_by_side=side_by_side, warn=warn),
                meanwhile=self._while_loading(values),
            )
        finally:
            self._reporter.solved(LOADING)
        self._values, self._model = values, model
        self._recovery = EngineRecovery(model.measures(), warn=self.get_logger().warning)
        self._watch = StallWatch(values.engine_timeout)
        try:
            allocate = partial(host_memory, device=model.engine.device)
            endpoints: list[tuple[str, Entity]] = [("/diagnostics", "publisher")]
            for camera, its in zip(self.cameras, own, strict=True):
                camera.configure(its, model.predictor(its), allocate)
                endpoints += camera.endpoints()
            judge_overrides(self, endpoints)  # none is ignored in silence
        except ParameterError:
            self._release()
            raise
        self.get_logger().info(", ".join(f"{k}: {v}" for k, v in model.setup().items()))
        return super().on_configure(state)

    @logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._model is not None
        assert self._recovery is not None and self._watch is not None
        if self._recovery.given_up:
            raise HmaDepthError(_given_up(self._recovery.given_up))
        if self._watch.left:
            raise HmaDepthError(
                "the network has not answered yet since before the node was deactivated. To load "
                f"it anew: {LOAD_ANEW}; if that does not help, end the process"
            )
        result = super().on_activate(state)
        values = self._values
        self._clock_watch = clock = ClockWatch(self, self._reporter)
        self._loop = loop = FrameLoop(
            self.cameras,
            lockstep=values.lockstep,
            together=self.together(self._model.predictor(values)),
            workers=self._model.engine.side_by_side,
            recovery=self._recovery,
            watch=self._watch,
            ending=self.ending,
            logger=self.get_logger(),
        )
        try:
            for camera in self.cameras:
                camera.activate(partial(loop.put, camera), loop.prepare, clock)
        except ParameterError:
            self.stop_work()
            raise
        loop.start()
        self._report_what_is_ignored()
        return result

    @logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker after its frame."""
        self.stop_work()
        return super().on_deactivate(state)

    @logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model, its device memory and the publishers."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self.stop_work()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def stop_work(self) -> None:
        """Unsubscribe, and stop the worker after its frame."""
        for camera in self.cameras:
            camera.deactivate()
        if self._loop is not None:
            self._loop.stop()
        self._loop = self._clock_watch = None
        for reporter in (self._reporter, *(camera.reporter for camera in self.cameras)):
            reporter.clear()

    def _release(self) -> None:
        for camera in self.cameras:
            camera.release()
        on_cuda = self._model is not None and self._model.engine.device.type == "cuda"
        busy = self._watch is not None and self._watch.left
        self._model = self._recovery = self._watch = None
        if on_cuda and not busy:  # it waits for all that runs there
            torch.cuda.empty_cache()

    def _look_after_engine(self) -> None:
        """Leave the active state once nothing helps the engine any more."""
        if self._loop is None or self._recovery is None or not self._recovery.given_up:
            return
        words = _given_up(self._recovery.given_up)
        self.get_logger().error(words)
        if self.trigger_deactivate() == TransitionCallbackReturn.SUCCESS:
            self.failure = words

    # --- diagnostics ----------------------------------------------------------------------------

    @property
    def setup(self) -> dict[str, str]:
        """What runs: engine, precision, checkpoint and so on; empty while unconfigured."""
        if self._model is None:
            return {}
        return self._model.setup()

    def _look(self) -> None:
        self._look_after_engine()
        for camera in self.cameras:
            if camera.input is not None:
                camera.input.look()

    def _while_loading(self, values: DepthNodeParameters) -> Callable[[], None]:
        """What to call while the executor waits for a model: the diagnostics go on."""
        begun = due = time.monotonic()

        def look() -> None:
            nonlocal due
            now = time.monotonic()
            if now < due:
                return
            due = now + values.diagnostics_period
            if 0 < FIRST_TIMES * values.engine_timeout < now - begun:
                self._reporter.problem(
                    LOADING,
                    f"the network is not loaded after {now - begun:.0f} s; what hangs here is "
                    "ended with the process only",
                )
            self._publish_diagnostics()

        return look

    def _look_for_namesakes(self) -> None:
        """Report other nodes of this one's name: ROS lets them be, and mixes them up."""
        name, own = self.get_fully_qualified_name(), (self.get_name(), self.get_namespace())
        if self.get_node_names_and_namespaces().count(own) > 1:
            self._reporter.problem(
                name,
                "there is another node of this name (or was until a moment ago, if it was killed): "
                "their topics, services and diagnostics cannot be told apart. Rename one, with "
                "-r __node:=NAME or -r __ns:=/NAMESPACE",
            )
        else:
            self._reporter.solved(name)

    def _publish_diagnostics(self) -> None:
        self._look_for_namesakes()
        has_time = True
        if self._clock_watch is not None:
            self._clock_watch.look()
            has_time = self._clock_watch.now() is not None
        self._diagnostics.publish(
            diagnostic_array(
                (self._status(camera, has_time=has_time) for camera in self.cameras),
                stamp=self.get_clock().now().to_msg(),
                name=self.get_fully_qualified_name(),
                state=self.state,
                failure=self.failure,
                setup=self.setup,
            )
        )

    def _status(self, camera: CameraStream, *, has_time: bool) -> CameraStatus:
        if camera.input is not None:
            camera.input.watch.look()
        snapshot, values = camera.statistics.snapshot(), camera.values
        silence = self._silence(camera)
        modes = camera.modes(
            snapshot,
            self._model.started if self._model else None,
            stalled=str(silence) if silence is not None and silence.stalled else "",
        )
        losses: list[str] = []
        if camera.input is not None and Mode.TRANSPORT_LOSS in {mode.mode for mode in modes}:
            losses = camera.input.watch.losses
        return CameraStatus(
            name=camera.name,
            hardware_id=values.hardware_id,
            modes=modes,
            problems=[*losses, *camera.reporter.problems(), *self._reporter.problems()],
            snapshot=snapshot if has_time else replace(snapshot, age=None),
            lost=camera.lost,
            scale=camera.height.figures(),
            depth_scale=values.depth_scale,
        )

    def _silence(self, camera: CameraStream) -> Silence | None:
        """Of the network towards a camera; it is said as long as it is no mode."""
        silence = self._loop.silence(camera) if self._loop is not None else None
        subject = f"{camera.image_topic()}: the first image of a size"
        if silence is None or silence.stalled:
            camera.reporter.solved(subject)
        else:
            camera.reporter.problem(subject, str(silence))
        return silence


def _given_up(reason: str) -> str:
    return f"{reason}; nothing has helped. To load it anew: {LOAD_ANEW}"
