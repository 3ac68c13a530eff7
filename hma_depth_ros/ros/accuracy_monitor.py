"""How right the depth is while the car drives: depth against LiDAR, on diagnostics and as numbers.

By the protocols of evaluation/, so that the figures are those of the evaluation tools; over the
last frames.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Float64

from hma_depth_ros.bags.camera_messages import camera_from_info
from hma_depth_ros.bags.cloud_messages import lidar_returns
from hma_depth_ros.bags.depth_messages import depth_array
from hma_depth_ros.data.kitti_calibration import KittiCalibration
from hma_depth_ros.data.lidar_depth import project_scan
from hma_depth_ros.data.lidar_occlusion import without_occluded
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.error_page import error_colors
from hma_depth_ros.evaluation.protocols import protocols_by_name
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.ros.image_messages import image_message
from hma_depth_ros.ros.lidar_transform import LidarTransform, parameter_matrix
from hma_depth_ros.ros.reporter import Reporter

try:
    from message_filters import ApproximateTimeSynchronizer, SimpleFilter
except ImportError:
    from hma_depth_ros.ros.standins import ApproximateTimeSynchronizer, SimpleFilter

#: Metrics that are published, and the median of LiDAR over depth.
METRICS = ("abs_rel", "d1", "rmse", "silog")
SCALE = "scale"
#: Messages of each kind that wait for one of the other.
_QUEUE = 10
#: Seconds without a scored frame after which something is wrong.
_SILENCE = 3.0
_DIAGNOSTICS_PERIOD = 1.0


@dataclass(frozen=True)
class Settings:
    """The node's parameters."""

    window: int
    max_difference: float
    protocol: str
    cap: float
    occlusion_filter: bool
    warn_abs_rel: float
    calibration: str
    camera: int
    lidar_to_camera: list[float]


def _declare(node: Node) -> Settings:
    def number(low: float, high: float) -> dict[str, Any]:
        return {"floating_point_range": [FloatingPointRange(from_value=low, to_value=high)]}

    def count(low: int, high: int) -> dict[str, Any]:
        return {"integer_range": [IntegerRange(from_value=low, to_value=high, step=1)]}

    def declare(name: str, default: Any, text: str, **ranges: Any) -> Any:
        descriptor = ParameterDescriptor(description=text, read_only=True, **ranges)
        return node.declare_parameter(name, default, descriptor).value

    return Settings(
        window=declare("window", 50, "Frames that the figures are means of", **count(1, 100_000)),
        max_difference=declare(
            "max_difference", 0.05, "Seconds between depth and LiDAR", **number(0.0, 10.0)
        ),
        protocol=declare("protocol", "full", "Where depth is scored: bts, kb_garg, eigen, full"),
        cap=declare("cap", 80.0, "Metres beyond which the LiDAR does not count", **number(1, 1000)),
        occlusion_filter=declare(
            "occlusion_filter", True, "Leave out LiDAR returns that the camera cannot see"
        ),
        warn_abs_rel=declare(
            "warn_abs_rel", 0.3, "Mean AbsRel from which diagnostics warn", **number(0.0, 100.0)
        ),
        calibration=declare(
            "calibration", "", "Folder of KITTI's calibration files, instead of tf"
        ),
        camera=declare("camera", 2, "Number of the camera in these files", **count(0, 3)),
        lidar_to_camera=list(
            declare(
                "lidar_to_camera",
                [0.0],
                "LiDAR in the camera's optical frame, instead of tf: x y z qx qy qz qw",
            )
        ),
    )


class AccuracyMonitor(Node):
    """Subscribes to depth and LiDAR, publishes rolling figures; the README has its topics."""

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
        self._settings = settings = _declare(self)
        self._protocol = protocols_by_name([settings.protocol])[0]
        if not self._protocol.capped:
            raise HmaDepthError(f"protocol:={settings.protocol} has other metrics; use full or bts")
        self._transform = self._choose_transform()
        self._reporter = Reporter(self.get_logger().warning)
        self._frames: deque[dict[str, float]] = deque(maxlen=settings.window)
        self._info: CameraInfo | None = None
        self._scored = 0
        self._last_scored = time.monotonic()
        self._figures = {
            name: self.create_publisher(Float64, f"accuracy/{name}", 10)
            for name in (*METRICS, SCALE)
        }
        self._error = self.create_publisher(Image, "accuracy/error", 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        depth, lidar = SimpleFilter(), SimpleFilter()
        self._synchroniser = ApproximateTimeSynchronizer(
            [depth, lidar], _QUEUE, settings.max_difference
        )
        self._synchroniser.registerCallback(self._on_pair)
        qos = qos_profile_sensor_data
        self.create_subscription(CameraInfo, "depth/camera_info", self._on_info, qos)
        self.create_subscription(Image, "depth/image", depth.signalMessage, qos)
        self.create_subscription(PointCloud2, "lidar", lidar.signalMessage, qos)
        self.create_timer(
            _DIAGNOSTICS_PERIOD,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _choose_transform(self) -> LidarTransform:
        settings = self._settings
        if len(settings.lidar_to_camera) > 1:
            return LidarTransform.fixed(parameter_matrix(settings.lidar_to_camera))
        if settings.calibration:
            calibration = KittiCalibration.read(Path(settings.calibration).expanduser())
            return LidarTransform.fixed(calibration.velodyne_to_camera(settings.camera))
        return LidarTransform.from_tf(self)

    @property
    def means(self) -> dict[str, float]:
        """Figures over the window; empty before the first frame."""
        frames = list(self._frames)
        return {n: float(np.mean([f[n] for f in frames])) for n in frames[0]} if frames else {}

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info

    def _on_pair(self, depth: Image, cloud: PointCloud2) -> None:
        try:
            self._score(depth, cloud)
        except HmaDepthError as error:
            self._reporter.problem("accuracy", str(error))
            return
        self._reporter.solved("accuracy")

    def _score(self, depth: Image, cloud: PointCloud2) -> None:
        settings = self._settings
        if self._info is None:
            topic = self.resolve_topic_name("depth/camera_info")
            raise HmaDepthError(f"no camera_info has arrived on {topic}")
        prediction = depth_array(depth)
        height, width = prediction.shape
        camera = camera_from_info(self._info, width=width, height=height)
        to_camera = self._transform.between(depth.header, cloud.header)
        truth = project_scan(lidar_returns(cloud), to_camera, camera)
        if settings.occlusion_filter:
            truth = without_occluded(truth)
        (scores,) = score(prediction, truth, self._protocol, (settings.cap,)).values()
        figures = {name: scores.metrics[name] for name in METRICS}
        figures[SCALE] = _scale(prediction, truth, settings.cap)
        self._frames.append(figures)
        self._scored += 1
        self._last_scored = time.monotonic()
        for name, value in self.means.items():
            self._figures[name].publish(Float64(data=value))
        if self._error.get_subscription_count():
            colors = error_colors(truth, prediction)
            self._error.publish(image_message(depth.header, colors, "rgb8"))

    def _publish_diagnostics(self) -> None:
        means, problems = self.means, self._reporter.problems()
        if time.monotonic() - self._last_scored > _SILENCE:
            topics = (self.resolve_topic_name(name) for name in ("depth/image", "lidar"))
            problems.append(
                f"no pair of {' and '.join(topics)} within {self._settings.max_difference:g} s of "
                "each other arrives"
            )
        if means.get("abs_rel", 0.0) > self._settings.warn_abs_rel:
            problems.append(f"AbsRel {means['abs_rel']:.3f} is above warn_abs_rel")
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if problems else DiagnosticStatus.OK,
            name=f"{self.get_name()}: depth accuracy",
            message="; ".join(problems)
            or (f"AbsRel {means['abs_rel']:.3f}" if means else "waiting for the first pair"),
            values=[KeyValue(key=name, value=f"{value:.4f}") for name, value in means.items()]
            + [
                KeyValue(key="frames scored", value=str(self._scored)),
                KeyValue(key="frames in the window", value=str(len(self._frames))),
                KeyValue(key="protocol", value=self._protocol.key(self._settings.cap)),
                KeyValue(key="LiDAR's place", value=self._transform.source),
                *(KeyValue(key=k, value=v) for k, v in self._transform.report().items()),
            ],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def _scale(
    prediction: npt.NDArray[np.float32], truth: npt.NDArray[np.float32], cap: float
) -> float:
    """Median of the LiDAR over the median of the depth at its points: 1 where depth is metric."""
    known = (truth > 0) & (truth < cap) & np.isfinite(prediction) & (prediction > 0)
    if not known.any():
        return float("nan")
    return float(np.median(truth[known]) / np.median(prediction[known]))
