"""Which calibration belongs to which image."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.ros import standins
from hma_depth_ros.ros.depth_node import pairing
from hma_depth_ros.ros.depth_node.pairing import EXACT_QUEUE_SIZE, ExactPairing

from .conftest import Predictions, StartBench
from .graph import CAMERA, info_message, noise, pixels_of, rgb_message, stamp, until

try:
    import message_filters
except ImportError:
    message_filters = None


@pytest.fixture(
    params=[
        standins,
        pytest.param(
            message_filters,
            marks=pytest.mark.skipif(
                message_filters is None, reason="the real message_filters cannot be imported"
            ),
        ),
    ],
    ids=["stand-in", "real"],
)
def filters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that exact pairing uses."""
    module: ModuleType = request.param
    monkeypatch.setattr(pairing, "SimpleFilter", module.SimpleFilter)
    monkeypatch.setattr(pairing, "TimeSynchronizer", module.TimeSynchronizer)
    return module


def message(number: float, name: str = "") -> Any:
    """Anything with a stamp."""
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp(number)), name=name)


# --- the synchroniser -----------------------------------------------------------------------------


class Synchronised:
    """A TimeSynchronizer of two inputs, and the pairs that come out."""

    def __init__(self, filters: ModuleType, queue_size: int = 3) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.left, self.right = filters.SimpleFilter(), filters.SimpleFilter()
        synchroniser = filters.TimeSynchronizer([self.left, self.right], queue_size)
        synchroniser.registerCallback(lambda a, b: self.pairs.append((a.name, b.name)))

    def add(self, side: Any, number: float, name: str = "") -> None:
        side.signalMessage(message(number, name or str(number)))


def test_a_filter_passes_on_to_all_with_their_arguments(filters: ModuleType):
    calls: list[tuple[Any, ...]] = []
    simple = filters.SimpleFilter()
    simple.registerCallback(lambda *args: calls.append(("first", *args)), "extra", 2)
    simple.registerCallback(lambda *args: calls.append(("second", *args)))
    simple.signalMessage("a", "b")
    assert calls == [("first", "a", "b", "extra", 2), ("second", "a", "b")]


def test_only_equal_stamps_meet(filters: ModuleType):
    s = Synchronised(filters)
    s.add(s.left, 1.0)
    s.add(s.right, 1.000000001)
    assert s.pairs == []
    s.add(s.right, 1.0)
    assert s.pairs == [("1.0", "1.0")]
    s.add(s.left, 1.000000001)
    assert s.pairs[1:] == [("1.000000001", "1.000000001")]


def test_order_of_arrival_does_not_matter(filters: ModuleType):
    s = Synchronised(filters)
    for number in (3, 1, 2):
        s.add(s.left, number)
    for number in (1, 2, 3):
        s.add(s.right, number)
    assert s.pairs == [("1", "1"), ("2", "2"), ("3", "3")]


def test_the_oldest_stamp_makes_room(filters: ModuleType):
    s = Synchronised(filters, queue_size=3)
    for number in (1, 2, 3, 4):
        s.add(s.left, number)
    s.add(s.right, 1)
    assert s.pairs == []
    s.add(s.right, 2)
    assert s.pairs == [("2", "2")]


def test_a_pair_is_used_once_and_the_newer_of_one_stamp_counts(filters: ModuleType):
    s = Synchronised(filters)
    s.add(s.left, 1, "old")
    s.add(s.left, 1, "new")
    s.add(s.right, 1, "info")
    s.add(s.right, 1, "again")
    assert s.pairs == [("new", "info")]


# --- ExactPairing ---------------------------------------------------------------------------------


class Exact:
    """An ExactPairing, the pairs that come out, and how many images were given up."""

    def __init__(self) -> None:
        self.pairs: list[float] = []
        self.lost = 0
        self.pairing = ExactPairing(self._pair, self._lose)

    def _pair(self, image: Any, info: Any) -> None:
        assert image.header.stamp == info.header.stamp
        self.pairs.append(image.header.stamp.sec + image.header.stamp.nanosec / 1e9)

    def _lose(self) -> None:
        self.lost += 1

    def image(self, number: float) -> None:
        self.pairing.add_image(message(number))

    def info(self, number: float) -> None:
        self.pairing.add_info(message(number))


def test_images_without_their_calibration_are_counted(filters: ModuleType):
    exact = Exact()
    tenths = [number / 10 for number in range(10, 10 + EXACT_QUEUE_SIZE)]
    for number in tenths:
        exact.image(number)
    assert exact.lost == 0, "the calibration may still come"
    exact.image(2.0)
    exact.image(2.1)
    assert exact.lost == 2
    exact.info(tenths[0])
    exact.info(tenths[1])
    assert exact.pairs == []
    exact.info(tenths[2])
    exact.info(2.1)
    assert exact.pairs == [tenths[2], 2.1]
    assert exact.lost == 2
    exact.image(2.2)
    exact.image(2.2)
    exact.info(2.2)
    assert exact.lost == 3, "two images of one stamp, and one calibration"
    # Still waiting: all tenths but three, and 2.0.
    assert exact.pairing.waiting == EXACT_QUEUE_SIZE - 2

    # The calibration of the newest is there before it, and the queue full: the oldest has to go.
    for number in (2.3, 2.4):
        exact.image(number)
    exact.info(2.5)
    exact.image(2.5)
    assert exact.pairs[-1] == 2.5
    assert exact.lost == 4
    exact.info(tenths[3])
    assert exact.pairs[-1] == 2.5
    assert exact.pairing.waiting == EXACT_QUEUE_SIZE - 1


@pytest.mark.parametrize("info_first", [True, False])
def test_a_bag_that_begins_again_pairs_from_its_first_frame(filters: ModuleType, info_first: bool):
    exact = Exact()

    def frame(number: float) -> None:
        for add in (exact.info, exact.image) if info_first else (exact.image, exact.info):
            add(number)

    for number in range(1, 31):
        frame(number)
    # Unpaired ones from the end of the bag would never make room for earlier stamps.
    for number in range(31, 51):
        exact.image(number)
    exact.info(60)
    assert exact.lost == 20 - EXACT_QUEUE_SIZE
    exact.pairs.clear()
    for number in range(1, 31):
        frame(number)
    assert exact.pairs == list(range(1, 31))
    assert exact.lost == 20


# --- the node -------------------------------------------------------------------------------------

WIDER = PinholeCamera(CAMERA.fx / 2, CAMERA.fy, CAMERA.cx, CAMERA.cy, CAMERA.width, CAMERA.height)


def depth_with(predictor: DepthPredictor, camera: PinholeCamera | None) -> Any:
    return predictor.predict(noise(), camera, outputs={"depth"}).depth


def test_cached_takes_the_latest_whatever_its_stamp(start: StartBench, predictor: DepthPredictor):
    bench = start()
    bench.listen("depth/image", "depth/camera_info")
    for number, camera in ((1, CAMERA), (2, WIDER)):
        outputs = bench.infer(rgb_message(number), info_message(camera, number=77))
        expected = depth_with(predictor, camera)
        np.testing.assert_array_equal(pixels_of(outputs["depth/image"]), expected)
        assert outputs["depth/camera_info"].header == outputs["depth/image"].header


def test_exact_takes_the_one_of_the_same_stamp(
    start: StartBench, predictor: DepthPredictor, filters: ModuleType
):
    bench = start(pairing="exact", lockstep=True)
    bench.listen("depth/image", "depth/camera_info", "points")
    cameras = {1.0: CAMERA, 1.25: WIDER, 1.5: CAMERA, 1.75: WIDER}
    bench.publish(*(rgb_message(number) for number in cameras))
    order = (1.75, 1.25, 1.5, 1.0)
    bench.publish(*(info_message(cameras[number], number=number) for number in order))
    for number, camera in cameras.items():
        depth = pixels_of(bench.last("depth/image", number))
        np.testing.assert_array_equal(depth, depth_with(predictor, camera))
        assert bench.last("depth/camera_info", number).p[0] == camera.fx
        bench.last("points", number)
    assert bench.said() == []


def test_exact_says_when_stamps_never_match(start: StartBench, filters: ModuleType):
    bench = start(pairing="exact", lockstep=True)
    bench.listen("depth/image")
    lost = 5
    for number in range(1, EXACT_QUEUE_SIZE + lost + 1):
        bench.publish(info_message(number=number + 0.25), rgb_message(number))
    warning = bench.hears("stamp")
    assert "pairing:=cached" in warning
    assert f"{bench.namespace}/camera_info" in warning
    dropped = bench.camera.statistics.dropped
    until(lambda: dropped == {"no camera_info of its stamp": lost}, f"{lost} drops, not {dropped}")
    assert len(bench.said()) == 1
    assert bench.status().level == b"\x02"
    # Frames that match go through, and end the problem.
    bench.infer(rgb_message(100), info_message(number=100))
    until(lambda: bench.status().level == b"\x00", "diagnostics without the problem")
    assert bench.change("deactivate")
    statistics = bench.camera.statistics
    assert statistics.arrived == statistics.processed + sum(statistics.dropped.values())


def test_exact_goes_on_when_a_bag_begins_again(start: StartBench, filters: ModuleType):
    bench = start(pairing="exact", lockstep=True)
    bench.listen("depth/image")
    statistics = bench.camera.statistics
    for loop in (1, 2):
        for number in range(100, 110):
            bench.infer(rgb_message(number), info_message(number=number))
        # Stamps that would never make room for earlier ones.
        bench.publish(*(rgb_message(number) for number in range(110, 130)))
        until(lambda n=30 * loop: statistics.arrived == n, "the images at the node")  # type: ignore[misc]
        bench.received["depth/image"].clear()
    assert statistics.processed == 20


@pytest.mark.parametrize("lockstep", [False, True])
def test_the_first_frames_wait_for_the_first_calibration(
    start: StartBench,
    monkeypatch: pytest.MonkeyPatch,
    predictions: Predictions,
    lockstep: bool,
):
    """An unscaled depth image to begin with would be a wrong one."""
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 300.0)
    bench = start(lockstep=lockstep)
    bench.listen("depth/image", "depth/camera_info")
    numbers = range(1, 7)
    for number in numbers:
        bench.publish(rgb_message(number))
        until(lambda n=number: bench.camera.statistics.arrived == n, "the frame at the node")  # type: ignore[misc]
    waiting = bench.camera.input.pairing
    until(lambda: waiting.waiting, "the frames that wait for a camera_info")
    assert waiting.waiting == (6 if lockstep else 1)
    assert predictions.outputs == []
    assert bench.figures()["frames waiting"] == str(waiting.waiting)
    bench.publish(info_message())
    for number in numbers if lockstep else [6]:
        bench.last("depth/camera_info", number)
    dropped = {} if lockstep else {"replaced by a newer frame": 5}
    assert bench.camera.statistics.dropped == dropped
    assert bench.said() == []


@pytest.mark.parametrize("publish_info", [True, False])
def test_without_a_calibration_there_is_depth_and_a_word(
    start: StartBench,
    predictor: DepthPredictor,
    monkeypatch: pytest.MonkeyPatch,
    publish_info: bool,
):
    """Only if somebody publishes camera_info, the first frame waits; and no later one does."""
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 0.5 if publish_info else 300.0)
    bench = start(inputs={"publish_info": publish_info})
    bench.listen("depth/image", "depth/camera_info", "points")
    for number in (1, 2, 3):
        bench.publish(rgb_message(number))
        depth = pixels_of(bench.last("depth/image", number))
        np.testing.assert_array_equal(depth, depth_with(predictor, None))
        monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 300.0)
    warning = bench.hears("no camera_info has arrived")
    assert f"{bench.namespace}/camera_info" in warning
    assert len(bench.said()) == 1
    assert bench.count("points") == bench.count("depth/camera_info") == 0


def test_frames_that_wait_for_a_calibration_when_the_node_stops_are_counted(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 300.0)
    bench = start(lockstep=True)
    bench.publish(rgb_message(1), rgb_message(2))
    until(lambda: bench.camera.input.pairing.waiting == 2, "the frames that wait")
    assert bench.change("deactivate")
    assert bench.camera.statistics.dropped == {"the node was stopped": 2}


def test_a_late_calibration_ends_the_warning(start: StartBench, predictor: DepthPredictor):
    bench = start(inputs={"publish_info": False})
    bench.listen("depth/image", "points")
    bench.publish(rgb_message(1))
    bench.last("depth/image", 1)
    until(lambda: bench.status().level == b"\x02", "the mode in the diagnostics")
    late = bench.tester.create_publisher(type(info_message()), "camera_info", 10)
    bench.info_publisher = late
    bench.connect()
    outputs = bench.infer(rgb_message(2), info_message())
    expected = depth_with(predictor, CAMERA)
    np.testing.assert_array_equal(pixels_of(outputs["depth/image"]), expected)
    until(lambda: bench.status().level == b"\x00", "diagnostics without the problem")


LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"qos_overrides.{ns}/camera_info.subscription.durability": "transient_local"},
        {
            "qos_overrides.{ns}/camera_info.subscription.durability": "transient_local",
            "qos_overrides.{ns}/camera_info.subscription.reliability": "reliable",
        },
    ],
)
def test_a_calibration_latched_before_the_node_started_is_found(
    start: StartBench,
    context: Context,
    predictor: DepthPredictor,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, Any],
):
    """Drivers publish it once; the node may come later, or be activated again."""
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 30.0)
    driver = Node("driver", context=context, namespace="/latched", use_global_arguments=False)
    latched = driver.create_publisher(CameraInfo, "/latched/info", LATCHED)
    latched.publish(info_message(WIDER))
    bench = start(
        inputs={"publish_info": False},
        arguments=("-r", "camera_info:=/latched/info"),
        **{name.replace("{ns}/camera_info", "/latched/info"): v for name, v in parameters.items()},
    )
    try:
        until(lambda: bench.node.count_publishers("/latched/info"), "the driver")
        bench.listen("depth/image", "points")
        expected = depth_with(predictor, WIDER)
        np.testing.assert_array_equal(
            pixels_of(bench.infer(rgb_message(1))["depth/image"]), expected
        )
        assert bench.change("deactivate")
        until(lambda: bench.tester.count_subscribers("/latched/info") == 0, "the unsubscription")
        assert bench.change("activate")
        bench.connect()
        np.testing.assert_array_equal(
            pixels_of(bench.infer(rgb_message(2))["depth/image"]), expected
        )
        assert bench.said() == []
    finally:
        driver.destroy_node()


def test_who_does_not_latch_is_not_asked_to(start: StartBench):
    """A subscription that asks for too much would be a warning in the driver's log."""
    bench = start()
    bench.listen("depth/image")
    bench.infer(rgb_message(1), info_message())
    topic = f"{bench.namespace}/camera_info"
    (subscription,) = bench.tester.get_subscriptions_info_by_topic(topic)
    assert subscription.qos_profile.durability is DurabilityPolicy.VOLATILE
    latched = bench.tester.create_publisher(CameraInfo, topic, LATCHED)
    until(lambda: bench.tester.count_subscribers(topic) == 2, "the second subscription")
    latched.publish(info_message(WIDER))
    pairing = bench.camera.input.pairing
    until(lambda: pairing._info.p[0] == WIDER.fx, "the latched calibration")
    bench.publish(info_message(CAMERA))
    until(lambda: pairing._info.p[0] == CAMERA.fx, "the latest one, latched or not")


def test_a_calibration_that_comes_while_a_frame_waits_is_that_frame_s(
    start: StartBench, predictions: Predictions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 0.0)
    bench = start()
    bench.listen("depth/image", "points")
    predictions.hold_first_of_two(bench)
    bench.publish(info_message())
    until(lambda: bench.camera.input.pairing.latest, "the calibration")
    predictions.release()
    until(lambda: bench.received["points"], "points")
    assert [points.header.stamp for points in bench.received["points"]] == [stamp(2)]
