"""How right the depth is while the car drives: depth against LiDAR, on diagnostics and as numbers.

By the protocols of evaluation/, so that the figures are those of the evaluation tools; over the
last frames.
"""

from __future__ import annotations

import math
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Float64

from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.depth.lidar_occlusion import without_occluded
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.error_colors import error_colors
from hma_depth_ros.evaluation.median_scale import median_scale
from hma_depth_ros.evaluation.protocols import protocols_by_name
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.messages.camera_info import camera_from_info, foreign_frame
from hma_depth_ros.messages.depth_image import depth_array
from hma_depth_ros.messages.point_cloud import lidar_returns
from hma_depth_ros.ros.accuracy import monitor_parameters
from hma_depth_ros.ros.accuracy.lidar_transform import LidarTransform, parameter_matrix
from hma_depth_ros.ros.accuracy.nearest_pairing import NearestPairing
from hma_depth_ros.ros.clock_watch import ClockWatch
from hma_depth_ros.ros.condition_log import ConditionLog
from hma_depth_ros.ros.cv_bridge_images import image_message
from hma_depth_ros.ros.input_watch import InputWatch
from hma_depth_ros.ros.latched_input import LatchedInput
from hma_depth_ros.ros.parameter_types import ForgivingParameters
from hma_depth_ros.ros.topic_qos import Entity, input_qos, judge_overrides, with_overrides
from hma_depth_ros.ros.undeclared import remapping, report_undeclared

#: Metrics that are published, and the median of LiDAR over depth.
METRICS = ("abs_rel", "d1", "rmse", "silog")
SCALE = "scale"
#: What is said of it: the depth node's parameter.
CENTRED = "depth_scale that centres the error"
FIGURES = (*METRICS, SCALE)
#: Seconds without a scored frame after which something is wrong.
_SILENCE = 3.0
_DIAGNOSTICS_PERIOD = 1.0


class AccuracyMonitor(ForgivingParameters):
    """Subscribes to depth and LiDAR, publishes rolling figures; docs/bags.md has its topics."""

    def __init__(self, node_name: str = "accuracy_monitor", **kwargs: Any) -> None:
        """Start.

        Raises:
            HmaDepthError: a parameter cannot be used, or nothing gives the LiDAR's place.

        """
        super().__init__(node_name, **kwargs)
        try:
            self._start()
        except BaseException:
            self.destroy_node()
            raise

    def _start(self) -> None:
        self._settings = settings = monitor_parameters.declare(self)
        self._protocol = protocols_by_name([settings.protocol])[0]
        if not self._protocol.capped:
            raise HmaDepthError(f"protocol:={settings.protocol} has other metrics; use full or bts")
        self._transform = self._choose_transform()
        self._reporter = ConditionLog(self.get_logger().warning)
        self._frames: deque[dict[str, float]] = deque(maxlen=settings.window)
        self._info: CameraInfo | None = None
        self._scored = self._failed = 0
        self._last_scored = time.monotonic()
        self._logged, self._last_logged = 0, -math.inf  # frames scored by then, and when
        self._endpoints: list[tuple[str, Entity]] = []
        self._figures = {name: self._output(Float64, f"accuracy/{name}") for name in FIGURES}
        self._error = self._output(Image, "accuracy/error", depth=1)
        self._diagnostics = self._output(DiagnosticArray, "/diagnostics")
        limit = round(settings.max_difference * 1e9)
        self._pairing = NearestPairing(self._on_pair, limit=limit)
        self._clock_watch = ClockWatch(self, self._reporter)
        self._watches: dict[str, InputWatch] = {}
        self._input(CameraInfo, "depth/camera_info", self._on_info)
        self._watched_input(Image, "depth/image", "depth image", self._pairing.add_first)
        self._watched_input(PointCloud2, "lidar", "cloud", self._pairing.add_second)
        self._latched_info = LatchedInput(self, CameraInfo, "depth/camera_info", self._on_info)
        judge_overrides(self, self._endpoints)
        report_undeclared(self, advice=remapping("depth/image", "depth/camera_info", "lidar"))
        self.create_timer(
            _DIAGNOSTICS_PERIOD,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _output(self, kind: Any, name: str, *, depth: int = 10) -> Any:
        return self.create_publisher(
            kind, name, self._qos(name, "publisher", QoSProfile(depth=depth))
        )

    def _input(self, kind: Any, name: str, callback: Callable[[Any], None]) -> Any:
        qos = self._qos(name, "subscription", input_qos(lockstep=False))
        return self.create_subscription(kind, name, callback, qos)

    def _watched_input(
        self, kind: Any, name: str, what: str, callback: Callable[[Any], None]
    ) -> None:
        topic = self.resolve_topic_name(name)
        watch = self._watches[what] = InputWatch(self, topic, self._reporter, name=name, what=what)

        def noted(message: Any) -> None:
            watch.note_arrival()
            callback(message)

        watch.attach(self._input(kind, name, noted))

    def _qos(self, name: str, entity: Entity, profile: QoSProfile) -> QoSProfile:
        topic = self.resolve_topic_name(name)
        self._endpoints.append((topic, entity))
        return with_overrides(self, topic, entity, profile)

    def _choose_transform(self) -> LidarTransform:
        settings = self._settings
        if len(settings.lidar_to_camera) > 1:
            return LidarTransform.fixed(parameter_matrix(settings.lidar_to_camera))
        if settings.calibration:
            calibration = KittiCalibration.read(Path(settings.calibration).expanduser())
            return LidarTransform.fixed(calibration.velodyne_to_camera(settings.camera))
        return LidarTransform.from_tf(self)

    def destroy_node(self) -> None:
        """Let go of the subscriptions' events before them."""
        for watch in getattr(self, "_watches", {}).values():
            watch.close()
        super().destroy_node()

    @property
    def means(self) -> dict[str, float]:
        """Figures over the window; none that no frame has."""
        frames = list(self._frames)
        values = {n: [f[n] for f in frames if np.isfinite(f[n])] for n in FIGURES}
        return {name: float(np.mean(found)) for name, found in values.items() if found}

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_pair(self, depth: Image, cloud: PointCloud2) -> None:
        try:
            self._score(depth, cloud)
        except HmaDepthError as error:
            self._failed += 1
            self._reporter.problem("accuracy", str(error))
        except Exception as error:  # a bug must not end the node, nor go unseen
            self._failed += 1
            self._reporter.problem("accuracy", f"internal error: {error!r}")
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _score(self, depth: Image, cloud: PointCloud2) -> None:
        settings = self._settings
        info_topic = self.resolve_topic_name("depth/camera_info")
        if self._info is None:
            raise HmaDepthError(f"no camera_info has arrived on {info_topic}")
        depth_topic = self.resolve_topic_name("depth/image")
        prediction = depth_array(depth)
        height, width = prediction.shape
        camera = camera_from_info(self._info, width=width, height=height)
        to_camera = self._transform.between(depth.header, cloud.header)
        try:
            truth = project_scan(lidar_returns(cloud), to_camera, camera)
        except HmaDepthError as error:
            raise HmaDepthError(f"{self.resolve_topic_name('lidar')}: {error}") from error
        if settings.occlusion_filter:
            truth = without_occluded(truth)
        (scores,) = score(prediction, truth, self._protocol, (settings.cap,)).values()
        figures = {name: scores.metrics[name] for name in METRICS}
        figures[SCALE] = median_scale(prediction, truth, settings.cap)
        self._frames.append(figures)
        self._scored += 1
        self._last_scored = time.monotonic()
        for name, value in self.means.items():
            self._figures[name].publish(Float64(data=value))
        if self._error.get_subscription_count():
            colors = error_colors(truth, prediction)
            self._error.publish(image_message(depth.header, colors, "rgb8"))
        if problem := foreign_frame(self._info, depth, depth_topic):
            self._reporter.problem("accuracy", f"{info_topic}: {problem}")
        elif not np.isfinite(figures[SCALE]):
            self._reporter.problem(
                "accuracy",
                f"{depth_topic} has no depth where the LiDAR has points, "
                "which counts as an error, as in the evaluation",
            )
        else:
            self._reporter.solved("accuracy")

    def _look(self) -> list[str]:
        """What is wrong at present, in sentences."""
        for watch in self._watches.values():
            watch.look()
        self._clock_watch.look()
        self._latched_info.look()
        self._pairing.look()
        problems = self._reporter.problems()
        for watch in self._watches.values():
            problems += watch.losses
        miss = self._pairing.nearest_miss
        if miss is not None and time.monotonic() - self._last_scored > _SILENCE:
            topics = (self.resolve_topic_name(name) for name in ("depth/image", "lidar"))
            problems.append(
                f"no pair of {' and '.join(topics)} within {self._settings.max_difference:g} s of "
                f"each other arrives; the nearest stamps are {miss / 1e9:.3f} s apart"
            )
        return problems

    def _publish_diagnostics(self) -> None:
        means, problems, live = self.means, self._look(), monitor_parameters.read(self)
        too_wrong = means.get("abs_rel", 0.0) > live.warn_abs_rel
        if too_wrong:
            problems.append(
                f"AbsRel {means['abs_rel']:.3f} is above warn_abs_rel ({live.warn_abs_rel:g})"
            )
        self._log(live.log_period, means, problems[-1] if too_wrong else "")
        figures = {name: f"{value:.4f}" for name, value in means.items()} | {
            "frames scored": str(self._scored),
            "frames failed": str(self._failed),
            "frames in the window": str(len(self._frames)),
            "protocol": self._protocol.key(self._settings.cap),
            "LiDAR's place": self._transform.source,
            **self._transform.report(),
        }
        if SCALE in means:
            figures[CENTRED] = f"{means[SCALE]:.3f} times the present one"
        for what, watch in self._watches.items():
            if watch.lost is not None:
                figures[f"{what}s lost in transport"] = str(watch.lost)
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if problems else DiagnosticStatus.OK,
            name=f"{self.get_fully_qualified_name()}: depth accuracy",
            message="; ".join(problems)
            or (f"AbsRel {means['abs_rel']:.3f}" if means else "waiting for the first pair"),
            hardware_id=live.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in figures.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _log(self, period: float, means: dict[str, float], warning: str) -> None:
        """Say the figures now and then, if there are new ones."""
        now = time.monotonic()
        if not period or self._scored == self._logged or now - self._last_logged < period:
            return
        self._logged, self._last_logged = self._scored, now
        figures = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        if SCALE in means:
            figures += f"; {CENTRED}: {means[SCALE]:.3f} times the node's present one"
        line = f"{figures}; means of {len(self._frames)} frames, {self._scored} scored so far"
        if warning:
            self.get_logger().warning(f"{warning}; {line}")
        else:
            self.get_logger().info(line)
