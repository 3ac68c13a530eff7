"""The accuracy monitor over real DDS, and the pairing of messages that are near in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Float64

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import depth_metrics
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.ros import input_watch
from hma_depth_ros.ros.accuracy import node
from hma_depth_ros.ros.accuracy.nearest_pairing import ROOM, NearestPairing
from hma_depth_ros.ros.accuracy.node import METRICS, SCALE, AccuracyMonitor
from hma_depth_ros.ros.cv_bridge_images import byte_array, image_message

from .graph import (
    CAMERA,
    DEEP,
    HEIGHT,
    ROSOUT,
    WIDTH,
    Spinner,
    header,
    info_message,
    pixels_of,
    until,
)

Depth = npt.NDArray[np.float32]
#: The LiDAR looks where the camera does: only its axes have other names (REP 103), and it sits
#: 10 cm above.
LIDAR_TO_CAMERA = [0.0, -0.1, 0.0, 0.5, -0.5, 0.5, 0.5]


def plane(distance: float) -> Depth:
    """Depth that grows towards the right, so that no two metrics are zero by chance."""
    columns = np.linspace(0.8, 1.2, WIDTH, dtype=np.float32)
    return np.tile(distance * columns, (HEIGHT, 1)).astype(np.float32)


def depth_message(number: float, depth: Depth) -> Image:
    return image_message(header(number), depth.astype(np.float32), "32FC1")


def cloud(depth: Depth, number: float) -> PointCloud2:
    """Points of a depth image, as the LiDAR of `LIDAR_TO_CAMERA` measures them."""
    x, y, z = back_project(depth, CAMERA).reshape(-1, 3).T
    points = np.stack([z, -x, -y - 0.1], axis=1).astype(np.float32)
    fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    message = PointCloud2(
        header=header(number),
        height=1,
        width=len(points),
        fields=fields,
        point_step=12,
        row_step=12 * len(points),
        data=byte_array(points),
        is_dense=True,
    )
    message.header.frame_id = "lidar"
    return message


class Monitored:
    """A monitor, what feeds it, and what it says."""

    def __init__(self, context: Context, **parameters: Any) -> None:
        self.node = AccuracyMonitor(
            context=context,
            namespace="/watched",
            use_global_arguments=False,
            parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
        )
        self.tester = Node(
            "tester", context=context, namespace="/watched", use_global_arguments=False
        )
        self.values: dict[str, list[float]] = {name: [] for name in (*METRICS, SCALE)}
        for name, values in self.values.items():
            self.tester.create_subscription(
                Float64, f"accuracy/{name}", lambda m, v=values: v.append(m.data), DEEP
            )
        self.errors: list[Image] = []
        self.statuses: list[DiagnosticStatus] = []
        self.logs: list[Log] = []
        self.tester.create_subscription(Log, "/rosout", self._on_log, ROSOUT)
        self.tester.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, DEEP)
        self.publishers = {
            kind: self.tester.create_publisher(kind, topic, DEEP)
            for kind, topic in (
                (CameraInfo, "depth/camera_info"),
                (Image, "depth/image"),
                (PointCloud2, "lidar"),
            )
        }
        self._spinners = [Spinner(self.tester), Spinner(self.node)]
        for publisher in self.publishers.values():
            topic = publisher.topic_name
            until(publisher.get_subscription_count, f"subscription of {topic}")
            until(lambda t=topic: self.node.count_publishers(t), f"publisher of {topic}")  # type: ignore[misc]
        for name in self.values:
            until(self.node._figures[name].get_subscription_count, f"listener of {name}")

    def _on_status(self, message: DiagnosticArray) -> None:
        name = "/watched/accuracy_monitor: depth accuracy"
        self.statuses += [s for s in message.status if s.name == name]

    def latest(self) -> DiagnosticStatus:
        """The last diagnostics; empty ones before the first."""
        return self.statuses[-1] if self.statuses else DiagnosticStatus(level=b"\x03")

    def hears(self, text: str, level: bytes | int = Log.WARN) -> str:
        """Wait for a log message that contains `text`."""
        least = level[0] if isinstance(level, bytes) else level
        logs = self.logs
        return until(
            lambda: next((m.msg for m in list(logs) if text in m.msg and m.level == least), ""),
            f"'{text}' in the log",
        )

    def _on_log(self, log: Log) -> None:
        if log.name == "watched.accuracy_monitor":
            self.logs.append(log)

    def watch_errors(self) -> None:
        self.tester.create_subscription(Image, "accuracy/error", self.errors.append, DEEP)
        until(self.node._error.get_subscription_count, "listener of the error image")

    def publish(self, *messages: Any) -> None:
        for message in messages:
            self.publishers[type(message)].publish(message)

    def scored(self, number: int) -> None:
        until(lambda: all(len(v) >= number for v in self.values.values()), f"frame {number}")

    def close(self) -> None:
        for spinner in reversed(self._spinners):
            spinner.stop()
        self.node.destroy_node()
        self.tester.destroy_node()


@pytest.fixture
def monitored(context: Context) -> Iterator[Callable[..., Monitored]]:
    made: list[Monitored] = []

    def start(**parameters: Any) -> Monitored:
        made.append(
            Monitored(context, **{"lidar_to_camera": LIDAR_TO_CAMERA, "window": 2, **parameters})
        )
        made[-1].publish(info_message())
        until(lambda: made[-1].node._info is not None, "camera_info")
        return made[-1]

    yield start
    for monitor in made:
        monitor.close()


def test_figures_are_those_of_the_metrics_over_the_window(
    monitored: Callable[..., Monitored],
) -> None:
    monitor = monitored()
    monitor.watch_errors()
    truth = plane(10)
    expected = []
    for number, factor in enumerate((1.5, 1.2, 0.9), 1):
        depth = (truth * np.float32(factor)).astype(np.float32)
        # The LiDAR's stamp is 20 ms later: the next image might be nearer to it.
        monitor.publish(image_message(header(number), depth, "32FC1"), cloud(truth, number + 0.02))
        monitor.scored(number - 1)
        expected.append(depth_metrics(depth.ravel(), truth.ravel()))
    monitor.scored(3)  # though no image follows
    expected_of = {name: [metrics[name] for metrics in expected] for name in METRICS}
    expected_of[SCALE] = [1 / 1.5, 1 / 1.2, 1 / 0.9]
    for name, values in expected_of.items():
        means = [values[0], (values[0] + values[1]) / 2, (values[1] + values[2]) / 2]
        assert monitor.values[name] == pytest.approx(means, rel=1e-4, abs=1e-4), name
    until(lambda: len(monitor.errors) == 3, "error images")
    assert pixels_of(monitor.errors[0]).mean() > pixels_of(monitor.errors[2]).mean()
    assert monitor.errors[0].header.stamp.sec == 1
    (status, *_) = until(
        lambda: [s for s in monitor.statuses if s.message == "AbsRel 0.150"], "the last diagnostics"
    )
    assert status.level == DiagnosticStatus.OK
    figures = {pair.key: pair.value for pair in status.values}
    assert figures["protocol"] == "full_cap80"
    assert figures["LiDAR's place"] == "parameters"


def test_what_is_wrong_is_said(monitored: Callable[..., Monitored]) -> None:
    monitor = monitored(warn_abs_rel=0.1, max_difference=0.01)
    truth = plane(10)
    monitor.publish(image_message(header(1), truth, "32FC1"), cloud(truth, 1.02))  # too far apart
    until(
        lambda: any("no pair of /watched/depth/image" in s.message for s in monitor.statuses),
        "silence in the diagnostics",
    )
    assert all(not values for values in monitor.values.values())
    monitor.publish(image_message(header(5), 2 * truth, "32FC1"), cloud(truth, 5))
    monitor.scored(1)
    until(
        lambda: any("AbsRel 1.000 is above warn_abs_rel" in s.message for s in monitor.statuses),
        "large errors in the diagnostics",
    )
    monitor.publish(image_message(header(6), truth[:-1], "32FC1"), cloud(truth, 6))
    until(
        lambda: any(
            "describes 61x37 images, but they are 61x36" in s.message for s in monitor.statuses
        ),
        "wrong size in the diagnostics",
    )


def test_a_node_that_cannot_place_its_lidar_does_not_start(
    context: Context, tmp_path: Path
) -> None:
    def start(**parameters: Any) -> None:
        AccuracyMonitor(
            context=context,
            use_global_arguments=False,
            parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()],
        )

    with pytest.raises(HmaDepthError, match="takes seven numbers x y z qx qy qz qw"):
        start(lidar_to_camera=[1.0, 2.0])
    with pytest.raises(HmaDepthError, match=r"quaternion \(0.0, 0.0, 0.0, 0.0\)"):
        start(lidar_to_camera=[0.0] * 7)
    with pytest.raises(HmaDepthError, match=r"calib_cam_to_cam\.txt"):
        start(calibration=str(tmp_path))
    with pytest.raises(HmaDepthError, match="no protocol 'ful'; did you mean 'full'"):
        start(protocol="ful")
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        with pytest.raises(HmaDepthError, match="tf2_ros is not installed"):
            start()


def test_a_bug_at_one_frame_does_not_end_the_node(
    monitored: Callable[..., Monitored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = monitored()
    truth = plane(10)
    with monkeypatch.context() as patch:
        patch.setattr(node, "lidar_returns", lambda _cloud: np.ones((3, 2)) + np.ones(4))
        monitor.publish(depth_message(1, truth), cloud(truth, 1))
        monitor.hears("accuracy: internal error: ValueError('operands could not be broadcast")
        assert "lidar_returns" in monitor.hears("Traceback (most recent call last)", Log.ERROR)
    monitor.publish(depth_message(2, truth), cloud(truth, 2))
    monitor.scored(1)
    until(lambda: monitor.latest().level == DiagnosticStatus.OK, "the end of the problem")
    figures = {pair.key: pair.value for pair in monitor.latest().values}
    assert (figures["frames scored"], figures["frames failed"]) == ("1", "1")


def test_time_may_go_back(monitored: Callable[..., Monitored]) -> None:
    """A simulation or a bag begins again: not a frame of it is lost, whatever was left over."""
    monitor = monitored()
    truth = plane(10)
    for begin in (100.0, 103.0, 3.0, 0.5):  # on; then a new run; then a loop of half a second
        # Depth that never got its cloud, and more of it than may wait.
        monitor.publish(*(depth_message(begin + 50 + n, truth) for n in range(ROOM + 2)))
        scored = monitor.node._scored
        monitor.publish(depth_message(begin, truth))
        for number in range(5):
            stamp = begin + 0.1 * number
            monitor.publish(cloud(truth, stamp + 0.01), depth_message(stamp + 0.1, truth))
            until(lambda n=scored + number + 1: monitor.node._scored == n, f"{stamp:.1f} s")  # type: ignore[misc]


def test_a_frame_of_nothing_is_one_frame(monitored: Callable[..., Monitored]) -> None:
    """It counts as an error, as in the evaluation; the scale is that of the other frames."""
    monitor = monitored(window=3, warn_abs_rel=100.0)
    truth = plane(10)
    nothing = np.full_like(truth, np.nan)
    monitor.publish(depth_message(1, nothing), cloud(truth, 1))
    until(lambda: monitor.values["abs_rel"], "the first frame's figures")
    assert monitor.values["abs_rel"] == [pytest.approx(1.0, abs=1e-3)]
    monitor.hears("/watched/depth/image has no depth where the LiDAR has points")
    monitor.publish(depth_message(2, 2 * truth), cloud(truth, 2))
    until(lambda: len(monitor.values["scale"]) == 1, "a scale")
    assert monitor.values["scale"] == [pytest.approx(0.5)]
    until(lambda: len(monitor.values["abs_rel"]) == 2, "the second frame's figures")
    assert monitor.values["abs_rel"][1] == pytest.approx((1 + 1) / 2, abs=1e-3)
    monitor.publish(depth_message(3, nothing), cloud(truth, 3))
    until(lambda: len(monitor.values["scale"]) == 2, "the third frame's figures")
    assert monitor.values["scale"][1] == pytest.approx(0.5)
    assert np.isfinite([value for values in monitor.values.values() for value in values]).all()


def test_the_first_frame_after_a_pause_counts(
    monitored: Callable[..., Monitored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_watch, "SILENCE_SECONDS", 0.3)
    monitor = monitored()
    truth = plane(10)
    monitor.publish(depth_message(1, truth), cloud(truth, 1.02), depth_message(1.1, truth))
    monitor.scored(1)
    for what in (
        "depth/image: it has a publisher, but no depth image",
        "lidar: it has a publisher",
    ):
        monitor.hears(f"/watched/{what}")
    until(lambda: monitor.latest().level == DiagnosticStatus.WARN, "silence in the diagnostics")
    monkeypatch.setattr(input_watch, "SILENCE_SECONDS", 60.0)
    monitor.publish(depth_message(500, truth), cloud(truth, 500.02))
    monitor.scored(2)
    until(lambda: monitor.latest().level == DiagnosticStatus.OK, "the end of the silence")


def test_warnings_follow_the_parameter_and_the_log_the_figures(
    monitored: Callable[..., Monitored],
) -> None:
    monitor = monitored(log_period=0.2, hardware_id="lidar 3")
    truth = plane(10)
    monitor.publish(depth_message(1, 1.5 * truth), cloud(truth, 1))
    line = "AbsRel 0.500 is above warn_abs_rel (0.3); abs_rel 0.500, d1 0.000, rmse "
    assert monitor.hears(line).endswith(
        "scale 0.667; depth_scale that centres the error: 0.667 times the node's present one; "
        "means of 1 frames, 1 scored so far"
    )
    until(lambda: monitor.latest().level == DiagnosticStatus.WARN, "the error")
    centred = {pair.key: pair.value for pair in monitor.latest().values}
    assert centred["depth_scale that centres the error"] == "0.667 times the present one"
    assert monitor.latest().hardware_id == "lidar 3"
    (result,) = monitor.node.set_parameters([Parameter("warn_abs_rel", value=0.6)])
    assert result.successful
    until(lambda: monitor.latest().message == "AbsRel 0.500", "another threshold")
    monitor.publish(depth_message(2, 1.3 * truth), cloud(truth, 2))
    assert monitor.hears("abs_rel 0.400, ", Log.INFO).endswith("means of 2 frames, 2 scored so far")
    (result,) = monitor.node.set_parameters([Parameter("window", value=3)])
    assert not result.successful


def test_parameters_of_the_wrong_type_are_told_how_to_be_right(context: Context) -> None:
    with pytest.raises(HmaDepthError, match=r"parameter cap: .*; write 80\.0$"):
        AccuracyMonitor(
            context=context,
            use_global_arguments=False,
            parameter_overrides=[Parameter("cap", value=80)],
        )


# --- messages near in time ------------------------------------------------------------------------


def pairs_of(limit: float) -> tuple[NearestPairing, list[tuple[float, float]]]:
    pairs: list[tuple[float, float]] = []
    pairing = NearestPairing(
        lambda a, b: pairs.append((a.number, b.number)), limit=round(limit * 1e9)
    )
    return pairing, pairs


def stamped(number: float) -> SimpleNamespace:
    return SimpleNamespace(number=number, header=header(number))


def test_messages_near_in_time_meet() -> None:
    pairing, pairs = pairs_of(0.05)
    pairing.add_first(stamped(1.0))
    assert pairing.nearest_miss is None
    pairing.add_second(stamped(1.06))
    assert pairing.nearest_miss == 60_000_000
    pairing.add_first(stamped(1.1))
    assert pairing.nearest_miss is None  # it is a pair, though
    assert pairs == []  # the next one of the second topic may be nearer
    pairing.add_second(stamped(1.13))
    assert pairs == []  # and is, if none of the first is nearer to it in turn
    pairing.add_first(stamped(1.2))
    assert pairs == [(1.1, 1.13)]
    pairing.add_first(stamped(1.3))
    pairing.add_second(stamped(1.3))
    assert pairs[1:] == [(1.3, 1.3)]  # nothing is nearer
    pairing.add_first(stamped(1.38))
    pairing.add_second(stamped(1.42))
    pairing.add_first(stamped(1.46))
    pairing.add_second(stamped(1.6))
    assert pairs[2:] == [(1.46, 1.42)]  # as near as the other, and newer
    assert pairing.nearest_miss == 60_000_000  # each is used once: 1.46 waits no longer


@pytest.mark.parametrize("latencies", [(0.03, 0.0), (0.08, 0.0), (0.15, 0.0), (0.03, 0.12)])
@pytest.mark.parametrize("begin", [0.0, 0.013, 0.051])
@pytest.mark.parametrize("rates", [(5, 10), (10, 10), (15, 10), (20, 10), (30, 10), (10, 20)])
def test_the_nearest_meet_whatever_the_rates_and_latencies(
    rates: tuple[int, int], begin: float, latencies: tuple[float, float]
) -> None:
    """Of the slower topic each message meets the faster one's that is nearest of all."""
    stamps = tuple(
        [at + n / r for n in range(3 * r)] for at, r in zip((begin, 0), rates, strict=True)
    )
    pairing, pairs = pairs_of(0.05)
    adds = pairing.add_first, pairing.add_second
    events = [(s + latencies[side], side, s) for side in (0, 1) for s in stamps[side]]
    for _, side, stamp in sorted(events):
        adds[side](stamped(stamp))
    pairing.look()
    pairing.look()
    slow, fast = (0, 1) if rates[0] <= rates[1] else (1, 0)
    nearest = {s: min(abs(s - other) for other in stamps[fast]) for s in stamps[slow]}
    assert [pair[slow] for pair in pairs] == [s for s, d in nearest.items() if d <= 0.05]
    for pair in pairs:
        assert abs(pair[1] - pair[0]) == pytest.approx(nearest[pair[slow]], abs=1e-6)


def test_a_pair_waits_no_longer_once_time_goes_back_or_a_topic_stops() -> None:
    pairing, pairs = pairs_of(0.05)
    pairing.add_first(stamped(9.0))
    pairing.add_second(stamped(9.02))
    pairing.look()
    assert pairs == []
    pairing.add_second(stamped(0.5))  # before the first topic goes back
    assert pairs == [(9.0, 9.02)]
    pairing.add_first(stamped(0.52))
    pairing.add_second(stamped(0.6))
    assert pairs[1:] == [(0.52, 0.5)]
    pairing.add_first(stamped(0.58))
    pairing.add_second(stamped(0.7))
    pairing.add_first(stamped(0.68))
    pairing.look()  # something has come since the last one
    assert pairs[2:] == [(0.58, 0.6)]
    pairing.look()
    assert pairs[3:] == [(0.68, 0.7)]
    pairing.add_first(stamped(0.8))  # the last one of the first topic
    for number in range(ROOM):
        pairing.add_second(stamped(0.82 + 0.1 * number))
    assert len(pairs) == 4
    pairing.add_second(stamped(9.0))
    assert pairs[4:] == [(0.8, 0.82)]


def test_what_waits_longest_makes_room() -> None:
    pairing, pairs = pairs_of(0.05)
    for number in range(100, 100 + ROOM):
        pairing.add_first(stamped(number))
    pairing.add_first(stamped(3))  # though its stamp is the lowest
    pairing.add_second(stamped(3))
    pairing.add_second(stamped(100))
    assert pairs == [(3, 3)]
    pairing.add_second(stamped(101))
    assert pairs == [(3, 3), (101, 101)]
    for number in range(200, 500):
        pairing.add_second(stamped(number))
    assert [len(waiting) for waiting in pairing._waiting] == [ROOM - 2, ROOM]
