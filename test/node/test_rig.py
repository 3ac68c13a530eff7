"""The rig node: several cameras, one worker; none of them is another one's affair."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.cli import run_command
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference import together
from hma_depth_ros.inference.cloud_filter import CloudFilter
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.inference.plan import Region
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.predictor import DepthPredictor, predict_requests
from hma_depth_ros.messages.types import CAMERA_INFO, IMAGE
from hma_depth_ros.ros import input_watch
from hma_depth_ros.ros.depth_node import pairing
from hma_depth_ros.ros.depth_node.frame_buffer import FrameBuffer
from hma_depth_ros.ros.depth_node.load_predictor import LoadedModel
from hma_depth_ros.ros.depth_node.rig_node import RigNode
from hma_depth_ros.ros.parameter_types import ParameterError

from .conftest import Predictions
from .graph import (
    CAMERA,
    DEADLINE,
    DEEP,
    HEIGHT,
    MASKS,
    TYPES,
    WIDTH,
    Bench,
    image_message,
    info_message,
    noise,
    pixels_of,
    rgb_message,
    stamp,
    until,
)

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class RigBench(Bench):
    """A rig node, publishers of all its cameras' inputs, and a record of what they get."""

    node_class = RigNode

    def __init__(
        self, context: Context, parameters: dict[str, Any], *, arguments: Sequence[str]
    ) -> None:
        super().__init__(context, parameters, publish=False, arguments=arguments)
        self.publishers: dict[str, tuple[Any, Any]] = {}
        compressed = parameters.get("image_transport") == "compressed"
        kind, topic = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        inputs = {name.split(":=")[0]: name.split(":=")[1] for name in arguments if ":=" in name}
        for name in parameters["cameras"]:
            images, infos = f"{name}/{topic}", f"{name}/camera_info"
            self.publishers[name] = (
                self.tester.create_publisher(kind, inputs.get(images, images), DEEP),
                self.tester.create_publisher(CameraInfo, inputs.get(infos, infos), DEEP),
            )
        if self.state() == "active":
            self.connect()

    def connect(self) -> None:
        for publishers in getattr(self, "publishers", {}).values():
            for publisher in publishers:
                topic = publisher.topic_name
                until(publisher.get_subscription_count, f"subscription of {topic}")
                until(lambda t=topic: self.node.count_publishers(t), f"publisher of {topic}")  # type: ignore[misc]

    def of(self, name: str) -> Any:
        """A camera of the node."""
        return next(camera for camera in self.node.cameras if camera.name == name)

    def send(self, name: str, *messages: Any) -> None:
        for message in messages:
            images, infos = self.publishers[name]
            (infos if isinstance(message, CameraInfo) else images).publish(message)

    def calibrate(self, name: str, info: CameraInfo | None = None) -> None:
        """Have a camera's calibration arrive."""
        self.send(name, info or info_message())
        until(lambda: self.of(name).input.pairing.latest, f"camera_info of {name}")

    def hear(self, name: str, *topics: str) -> None:
        for topic in topics:
            full = f"{name}/{topic}"
            self.tester.create_subscription(TYPES[topic], full, self.received[full].append, DEEP)
            publisher = self.of(name).outputs.publishers[topic]
            until(publisher.get_subscription_count, f"listener of {full}")

    def account(self, name: str) -> DiagnosticStatus:
        """The next status of a camera."""
        wanted = f"{self.namespace}/{self.name}: depth {name}"
        seen = len(self.statuses)

        def found() -> Any:
            new = [s for s in self.statuses[seen:] if s.name == wanted]
            return new[1] if len(new) > 1 else None

        status: DiagnosticStatus = until(found, f"diagnostics of {name}")
        return status


StartRig = Callable[..., RigBench]


@pytest.fixture
def rig(context: Context, checkpoint: Path) -> Iterator[StartRig]:
    """Start a rig node with these parameters."""
    with ExitStack() as stack:

        def start(
            cameras: Sequence[str] = ("front", "rear"),
            *,
            arguments: Sequence[str] = (),
            **values: Any,
        ) -> RigBench:
            parameters = {
                "checkpoint": str(checkpoint),
                "device": "cpu",
                "engine": "torch",
                "precision": "fp32",
                "diagnostics_period": 0.05,
                "stale_after": 0.0,  # a single image is enough for most tests
                "cameras": list(cameras),
                **values,
            }
            bench = RigBench(context, parameters, arguments=arguments)
            stack.callback(bench.close)
            return bench

        yield start


# --- the buffer -----------------------------------------------------------------------------------


def test_cameras_take_turns_and_the_latest_frame_of_each_waits():
    frames: FrameBuffer[str, int] = FrameBuffer("abc", keep_all=False)
    assert frames.put("a", 1)
    assert frames.take() == [("a", 1)]
    assert frames.put("a", 2)
    assert not frames.put("a", 3), "one is lost for it"
    assert frames.put("c", 4)
    assert frames.put("b", 5)
    frames.done("a")
    taken = [frames.take() for _ in range(2)]
    assert taken == [[("b", 5)], [("c", 4)]]
    frames.done("bc")
    assert frames.put("b", 6)
    assert frames.take() == [("a", 3)], "it has waited for longer than b"
    assert frames.close() == {"a": 0, "b": 1, "c": 0}
    assert frames.take() is None


def test_frames_of_a_kind_go_together():
    frames: FrameBuffer[str, str] = FrameBuffer("abcde", keep_all=True)
    for camera, frame in zip("abcdea", ("big", "small", "big", "odd", "big", "big"), strict=True):
        assert frames.put(camera, frame)
    kinds = {"big": 1, "small": 2, "odd": None}

    def take() -> Any:
        taken = frames.take(most=2, kind=lambda _, frame: kinds[frame])
        assert taken is not None
        frames.done(camera for camera, _ in taken)
        return taken

    assert take() == [("a", "big"), ("c", "big")]
    assert take() == [("b", "small")]
    assert take() == [("d", "odd")]
    assert take() == [("e", "big"), ("a", "big")]
    frames.interrupt()
    assert take() == []
    thread = threading.Thread(target=frames.interrupt)
    thread.start()
    assert take() == [], "wakes who waits"
    thread.join()


def test_a_camera_s_next_frame_waits_for_the_one_under_way():
    """Which keeps them in order, whoever takes them; others are not held up."""
    frames: FrameBuffer[str, int] = FrameBuffer("ab", keep_all=True)
    for number in (1, 2, 3):
        assert frames.put("a", number)
    taken: list[Any] = [frames.take()]
    thread = threading.Thread(target=lambda: taken.append(frames.take()))
    thread.start()
    thread.join(0.05)
    assert taken == [[("a", 1)]], "the other thread waits"
    assert frames.put("b", 7)
    thread.join(DEADLINE)
    assert taken[1:] == [[("b", 7)]]
    threads = [threading.Thread(target=lambda: taken.append(frames.take())) for _ in "xyz"]
    for thread in threads:
        thread.start()
    frames.done("a")
    until(lambda: len(taken) == 3, "the next one")
    assert taken[2] == [("a", 2)]
    assert frames.close() == {"a": 1, "b": 0}
    for thread in threads:
        thread.join(5)
    assert taken[3:] == [None, None], "it ends for all who wait"


# --- what each camera gets ------------------------------------------------------------------------


def test_each_camera_has_its_own_depth(rig: StartRig, predictor: DepthPredictor):
    """Of its own size, calibration and parameters; with one engine for all."""
    other = PinholeCamera(fx=90.0, fy=90.0, cx=40.0, cy=20.0, width=80, height=40)
    bench = rig(**{"rear.region": [8, 4, 64, 32], "rear.depth_encoding": "16UC1"})
    front, rear = bench.of("front"), bench.of("rear")
    assert front._settings[1].engine is rear._settings[1].engine
    for name, info in (("front", info_message()), ("rear", info_message(other))):
        bench.hear(name, "depth/image", "depth/camera_info", "points")
        bench.calibrate(name, info)
    bench.send("front", rgb_message(1))
    bench.send("rear", image_message(noise(40, 80, seed=5), "rgb8", number=2))
    depth = bench.last("front/depth/image", 1)
    np.testing.assert_array_equal(pixels_of(depth), predictor.predict(noise(), CAMERA).depth)
    windowed = DepthPredictor(predictor.engine, predictor.info, region=Region(8, 4, 64, 32))
    expected = windowed.predict(noise(40, 80, seed=5), other).depth
    assert expected is not None
    millimetres = pixels_of(bench.last("rear/depth/image", 2))
    np.testing.assert_array_equal(millimetres, np.rint(np.nan_to_num(expected) * 1000))
    assert bench.last("rear/depth/camera_info", 2).p[0] == other.fx
    assert bench.last("rear/points", 2).width == 80
    assert bench.count("front/depth/image") == bench.count("rear/depth/image") == 1
    assert bench.said() == []


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, ...]]]:
    """Shapes of the images of each pass with more than one image."""
    found: list[list[tuple[int, ...]]] = []

    def recording(requests: Any) -> list[Prediction]:
        found.append([request.image.shape for _, request in requests])
        return predict_requests(requests)

    monkeypatch.setattr(together, "predict_requests", recording)
    return found


def test_cameras_of_one_size_that_wait_go_through_together(
    rig: StartRig,
    predictor: DepthPredictor,
    predictions: Predictions,
    batches: list[list[tuple[int, ...]]],
):
    """Those that listen to other topics and have other encodings, too; another size goes alone."""
    cameras = ("first", "a", "b", "c", "wide")
    bench = rig(cameras, max_batch=3)
    for name in cameras:
        bench.hear(name, "depth/image")
    bench.hear("a", "points", "attention/scale_1")
    wide = PinholeCamera(fx=90.0, fy=90.0, cx=40.0, cy=20.0, width=80, height=60)
    for name in cameras:
        bench.calibrate(name, info_message(wide) if name == "wide" else None)
    predictions.hold()
    bench.send("first", rgb_message(1))
    until(lambda: predictions.outputs, "the first frame at the network")
    bench.send("wide", image_message(noise(60, 80), "rgb8", number=2))
    for number, name in enumerate("abc", start=3):
        bench.send(name, rgb_message(number, seed=number))
    until(lambda: all(c.statistics.arrived == 1 for c in bench.node.cameras), "all frames")
    predictions.release()
    for number, name in enumerate("abc", start=3):
        depth = pixels_of(bench.last(f"{name}/depth/image", number))
        expected = predictor.predict(noise(seed=number), CAMERA, outputs={"depth"}).depth
        assert expected is not None
        np.testing.assert_allclose(depth, expected, rtol=1e-4)
    bench.last("a/points", 3)
    bench.last("a/attention/scale_1", 3)
    bench.last("wide/depth/image", 2)
    assert batches == [[(HEIGHT, WIDTH, 3)] * 3]
    figures = [camera.statistics.snapshot() for camera in bench.node.cameras]
    assert [f.processed for f in figures] == [1] * 5
    assert bench.said() == []


def test_on_a_cpu_one_image_at_a_time_is_the_choice(
    rig: StartRig, predictions: Predictions, batches: list[list[tuple[int, ...]]]
):
    bench = rig(("a", "b", "c"))
    predictions.hold()
    for name in "abc":
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    for name in "abc":
        bench.send(name, rgb_message(1))
        until(lambda n=name: bench.of(n).statistics.arrived == 1, "the frame")  # type: ignore[misc]
    predictions.release()
    for name in "abc":
        bench.last(f"{name}/depth/image", 1)
    assert batches == []
    assert len(predictions.outputs) == 3


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's engine counts as one that computes two images side by side."""
    monkeypatch.setattr(TorchEngine, "side_by_side", 2)


def test_frames_of_several_cameras_are_under_way_side_by_side(
    rig: StartRig, predictor: DepthPredictor, predictions: Predictions, two_at_once: None
):
    """Of each camera one, the latest, and never two of the same one."""
    expected = {
        number: predictor.predict(noise(seed=number), CAMERA, outputs={"depth"}).depth
        for number in range(1, 6)
    }
    predictions.outputs.clear()
    bench = rig(("a", "b", "c"))
    for name in "abc":
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    predictions.hold()
    for number in (1, 2, 3):
        bench.send("a", rgb_message(number, seed=number))
        until(lambda n=number: bench.of("a").statistics.arrived == n, "it")  # type: ignore[misc]
    until(lambda: predictions.outputs, "the first frame at the network")
    assert bench.of("a").statistics.snapshot().waiting == 2
    bench.send("b", rgb_message(4, seed=4))
    until(lambda: len(predictions.outputs) == 2, "another camera's beside it")
    bench.send("c", rgb_message(5, seed=5))
    until(lambda: bench.of("c").statistics.arrived == 1, "the third camera's")
    assert len(predictions.outputs) == 2
    predictions.release()
    for name, numbers in (("a", (1, 3)), ("b", (4,)), ("c", (5,))):
        for number in numbers:
            depth = pixels_of(bench.last(f"{name}/depth/image", number))
            np.testing.assert_array_equal(depth, expected[number])
        seen = [m.header.stamp.sec for m in bench.received[f"{name}/depth/image"]]
        assert seen == list(numbers)
    assert bench.of("a").statistics.dropped == {"replaced by a newer frame": 1}
    until(
        lambda: not any(c.statistics.snapshot().waiting for c in bench.node.cameras), "all figures"
    )
    predictions.hold()
    for name in "abc":
        bench.send(name, rgb_message(6))
    until(lambda: len(predictions.outputs) == 6, "two frames at the network")
    until(lambda: sum(c.statistics.arrived for c in bench.node.cameras) == 8, "the third")
    predictions.release_once_it_stops(bench)
    assert bench.change("deactivate")
    processed = sum(camera.statistics.processed for camera in bench.node.cameras)
    dropped = [camera.statistics.dropped["the node was stopped"] for camera in bench.node.cameras]
    assert (processed, sorted(dropped)) == (6, [0, 0, 1]), "those under way were finished"
    assert "depth_worker" not in [thread.name for thread in threading.enumerate()]
    assert bench.said() == []


def test_what_is_computed_side_by_side_is_not_batched_too(
    rig: StartRig,
    predictions: Predictions,
    batches: list[list[tuple[int, ...]]],
    two_at_once: None,
):
    bench = rig(("a", "b", "c", "d"), max_batch=2)
    predictions.hold()
    for name in "abcd":
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    for name in "abcd":
        bench.send(name, rgb_message(1))
        until(lambda n=name: bench.of(n).statistics.arrived == 1, "the frame")  # type: ignore[misc]
    until(lambda: len(predictions.outputs) == 2, "two frames at the network")
    predictions.release()
    for name in "abcd":
        bench.last(f"{name}/depth/image", 1)
    assert batches == []


@pytest.mark.parametrize(
    ("values", "asked"),
    [({}, 3), ({"max_batch": 2}, 2), ({"max_batch": 1}, 1), ({"lockstep": True}, 1)],
)
def test_as_many_side_by_side_as_there_are_cameras(
    rig: StartRig, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], asked: int
):
    """Or as `max_batch` says; in lockstep a frame is delivered before the next one begins."""
    found: list[int] = []
    usual = LoadedModel.__init__

    def noting(self: LoadedModel, *given: Any, side_by_side: int, **more: Any) -> None:
        found.append(side_by_side)
        usual(self, *given, side_by_side=side_by_side, **more)

    monkeypatch.setattr(LoadedModel, "__init__", noting)
    rig(("a", "b", "c"), autostart=True, **values)
    assert found == [asked]


def test_a_bag_of_several_cameras_gives_what_process_bag_makes_of_it(
    rig: StartRig, checkpoint: Path, tmp_path: Path
):
    """To the bit: of each image the depth, masks, camera and cloud."""
    wide = PinholeCamera(fx=90.0, fy=90.0, cx=40.0, cy=20.0, width=80, height=60)
    bag, out = tmp_path / "bag", tmp_path / "out"
    topics = {
        f"/rig/{side}/{kind}" for side in ("left", "right") for kind in ("image", "camera_info")
    }
    with BagWriter(bag) as writer:
        for topic in sorted(topics):
            writer.add_topic(topic, IMAGE if topic.endswith("image") else CAMERA_INFO)
        for number in range(1, 5):
            for side, camera in (("left", CAMERA), ("right", wide)):
                pixels = noise(camera.height, camera.width, seed=number + len(side))
                image = image_message(pixels, "rgb8", number=number)
                info = info_message(camera, number=number)
                for kind, message in (("camera_info", info), ("image", image)):
                    data = serialize_message(message)
                    writer.write_raw(f"/rig/{side}/{kind}", number * 10**9, data)
    options = f"--checkpoint {checkpoint} --device cpu --threads 1 --precision fp32"
    assert run_command("process_bag", [str(bag), str(out), "--outputs-only", *options.split()]) == 0

    remapped = [f"{topic.removeprefix('/rig/')}:={topic}" for topic in topics]
    bench = rig(
        ("left", "right"),
        arguments=[word for name in remapped for word in ("-r", name)],
        **{"lockstep": True, "threads": 1, "cloud_layout": "packed"},
    )
    heard = ("depth/image", "depth/camera_info", "points", *MASKS)
    for side in ("left", "right"):
        bench.hear(side, *heard)
    with BagReader(bag) as reader:
        for raw in reader.messages():
            images, infos = bench.publishers[raw.topic.split("/")[2]]
            (images if raw.topic.endswith("/image") else infos).publish(bytes(raw.data))
    with BagReader(out) as reader:
        assert {t.name: t.count for t in reader.topics.values() if t.name != "/tf_static"} == {
            f"/rig/{side}/{topic}": 4 for side in ("left", "right") for topic in heard
        }
        for raw in reader.messages():
            message = reader.decode(raw)
            found = bench.last(raw.topic.removeprefix("/rig/"), message.header.stamp.sec)
            assert (found.height, found.width) == (message.height, message.width)
            if raw.topic.endswith("camera_info"):
                np.testing.assert_array_equal(found.p, message.p)
            else:
                assert bytes(found.data) == bytes(message.data), raw.topic


# --- one camera is not another's affair -----------------------------------------------------------


def test_a_flood_of_one_camera_takes_no_turn_of_another(rig: StartRig, predictions: Predictions):
    """Frame by frame, each camera's comes next, however many of the other's wait."""
    bench = rig(("flood", "calm"), lockstep=True)
    order: list[str] = []
    for name in ("flood", "calm"):
        bench.hear(name, "depth/image")
        bench.calibrate(name)
        statistics = bench.of(name).statistics
        statistics.count_processed = noting(order, name, statistics.count_processed)
    predictions.hold()
    bench.send("flood", *(rgb_message(number) for number in range(1, 31)))
    until(lambda: predictions.outputs, "the first frame at the network")
    until(lambda: bench.of("flood").statistics.arrived == 30, "the flood")
    bench.send("calm", *(rgb_message(number) for number in (1, 2, 3)))
    until(lambda: bench.of("calm").statistics.arrived == 3, "the other camera's frames")
    predictions.release()
    until(lambda: len(order) == 33, "all frames")
    assert order[:7] == ["flood", *["calm", "flood"] * 3]


def noting(order: list[str], name: str, usual: Callable[..., None]) -> Callable[..., None]:
    def count(**given: Any) -> None:
        order.append(name)
        usual(**given)

    return count


def test_the_latest_frame_of_each_camera_wins(rig: StartRig, predictions: Predictions):
    bench = rig(("a", "b"))
    for name in "ab":
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    predictions.hold()
    bench.send("a", rgb_message(1))
    until(lambda: predictions.outputs, "the first frame at the network")
    for number in range(2, 6):
        for name in "ab":
            bench.send(name, rgb_message(number))
            arrived = number if name == "a" else number - 1
            until(lambda n=name, c=arrived: bench.of(n).statistics.arrived == c, "it")  # type: ignore[misc]
    predictions.release()
    for name in "ab":
        bench.last(f"{name}/depth/image", 5)
    seen = {n: [m.header.stamp.sec for m in bench.received[f"{n}/depth/image"]] for n in "ab"}
    assert seen == {"a": [1, 5], "b": [5]}
    for name in "ab":
        assert bench.of(name).statistics.dropped == {"replaced by a newer frame": 3}


def test_who_waits_for_a_calibration_lets_others_pass(
    rig: StartRig, monkeypatch: pytest.MonkeyPatch
):
    """Nor does one that never comes, or is bad, or a camera that says nothing."""
    monkeypatch.setattr(pairing, "FIRST_INFO_SECONDS", 300.0)
    bench = rig(("front", "mute", "bad", "late"))
    for name in ("front", "bad", "late"):
        bench.hear(name, "depth/image", "points")
    bench.calibrate("front")
    bench.calibrate("bad", CameraInfo(width=WIDTH, height=HEIGHT))
    bench.send("late", rgb_message(1), rgb_message(2))
    until(lambda: bench.of("late").statistics.arrived == 2, "the frames that wait")
    for number in (1, 2, 3):
        bench.send("bad", rgb_message(number))
        bench.send("front", rgb_message(number))
        bench.last("front/points", number)
        bench.last("bad/depth/image", number)
    assert bench.count("late/depth/image") == bench.count("bad/points") == 0
    assert bench.of("late").input.pairing.waiting == 1
    bench.send("late", info_message())
    bench.last("late/points", 2)
    assert bench.of("late").statistics.dropped == {"replaced by a newer frame": 1}
    until(bench.said, "a warning in the log")
    (said,) = bench.said()
    assert said.startswith(f"{bench.namespace}/bad/camera_info: camera_info has no calibration")


def test_a_bad_image_in_a_batch_is_its_own_camera_s(rig: StartRig, predictions: Predictions):
    cameras = ("first", "good", "bad", "broken")
    bench = rig(cameras, max_batch=4, **{"bad.region": [0, 0, 4000, 10]})
    for name in cameras:
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    predictions.hold()
    bench.send("first", rgb_message(1))
    until(lambda: predictions.outputs, "the first frame at the network")
    for name in ("broken", "bad", "good"):
        message = rgb_message(2)
        if name == "broken":
            message.data = message.data[:-5]
        bench.send(name, message)
        until(lambda n=name: bench.of(n).statistics.arrived == 1, "the frame")  # type: ignore[misc]
    predictions.release()
    bench.last("good/depth/image", 2)
    until(lambda: bench.of("bad").statistics.failed == {"bad request": 1}, "the failure")
    assert bench.of("broken").statistics.failed == {"bad image": 1}
    assert f"{bench.namespace}/bad/image" in bench.hears("is not inside the 61x37 image")
    assert bench.account("bad").level == WARN
    assert bench.account("good").level == OK


# --- laziness, diagnostics, life cycle, parameters ------------------------------------------------


def test_nothing_is_computed_for_a_camera_that_nobody_listens_to(
    rig: StartRig, predictions: Predictions
):
    bench = rig(("heard", "unheard"))
    for name in ("heard", "unheard"):
        bench.calibrate(name)
    bench.hear("heard", "points")
    bench.send("unheard", rgb_message(1))
    until(lambda: bench.of("unheard").statistics.skipped["nobody listens"] == 1, "the skip")
    bench.send("heard", rgb_message(1))
    bench.last("heard/points", 1)
    assert predictions.outputs == [{"points"}]


def test_each_camera_has_its_own_diagnostics(rig: StartRig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(input_watch, "SILENCE_SECONDS", 0.5)
    bench = rig(("front", "rear"), hardware_id="any", **{"rear.hardware_id": "camera 7"})
    warning = bench.hears("rear/image: it has a publisher, but no image arrives")
    assert warning.startswith(f"{bench.namespace}/rear/image")
    bench.tester.destroy_publisher(bench.publishers.pop("rear")[0])
    bench.hears("nobody publishes it; remap rear/image:=/your/topic")
    bench.hear("front", "depth/image")
    bench.calibrate("front")
    bench.tester.create_timer(0.05, lambda: bench.send("front", rgb_message(1)))
    until(lambda: bench.account("front").level == OK, "a good status")
    until(lambda: bench.of("front").statistics.processed, "a frame's figures")
    front, rear = bench.account("front"), bench.account("rear")
    assert (front.hardware_id, rear.hardware_id) == ("any", "camera 7")
    assert rear.level == WARN
    figures = [{pair.key: pair.value for pair in status.values} for status in (front, rear)]
    assert int(figures[0]["frames processed"]) > 0
    assert figures[1]["frames received"] == "0"
    assert figures[0]["engine"] == figures[1]["engine"] == "torch"


def test_through_the_life_cycle(rig: StartRig, predictions: Predictions):
    bench = rig(("a", "b"), autostart=False)
    assert bench.account("b").message == "unconfigured"
    for _ in range(2):
        assert bench.change("configure")
        assert bench.change("activate")
        assert [t.name for t in threading.enumerate()].count("depth_worker") == 1
        bench.connect()
        for name in "ab":
            bench.received.clear()
            bench.hear(name, "depth/image")
            bench.calibrate(name)
            bench.send(name, rgb_message(1))
            bench.last(f"{name}/depth/image", 1)
        predictions.hold()
        bench.send("a", rgb_message(2))
        until(lambda: len(predictions.outputs) % 3 == 0, "a frame at the network")
        bench.send("b", rgb_message(2))
        until(lambda: bench.of("b").statistics.snapshot().waiting == 1, "the other camera's")
        predictions.release_once_it_stops(bench)
        assert bench.change("deactivate")
        assert bench.of("b").statistics.dropped["the node was stopped"] > 0
        assert bench.change("cleanup")
        topics = {name for name, _ in bench.tester.get_topic_names_and_types()}
        until(
            lambda: not bench.tester.count_publishers(f"{bench.namespace}/a/depth/image"), "the end"
        )
        assert f"{bench.namespace}/a/image" in topics
    assert [c.statistics.processed for c in bench.node.cameras] == [4, 2]
    assert bench.said() == []


def test_qos_of_one_camera_s_topic(rig: StartRig):
    bench = rig(**{"qos_overrides.{ns}/rear/points.publisher.depth": 7})
    found = {
        (camera.name, topic): publisher.qos_profile.depth
        for camera in bench.node.cameras
        for topic, publisher in camera.outputs.publishers.items()
    }
    assert found.pop(("rear", "points")) == 7
    assert ("front", "points") in found
    assert set(found.values()) == {1}


def test_each_camera_has_its_own_filters_and_scale(rig: StartRig, predictor: DepthPredictor):
    """And so has its status."""
    own = {
        "rear.depth_scale": 2.0,
        "rear.cloud_stride": 3,
        "rear.min_range": 1.5,
        "rear.edge_filter": 0.0,
        "rear.min_confidence": 0.4,
    }
    bench = rig(edge_filter=2.0, **own)
    front, rear = (camera._settings[1] for camera in bench.node.cameras)
    assert front.cloud_filter == CloudFilter(1, 0.0, 2.0, 0.0)
    assert rear.cloud_filter == CloudFilter(3, 1.5, 0.0, 0.4)
    scales = {}
    for name in ("front", "rear"):
        bench.hear(name, "depth/image", "points")
        bench.calibrate(name)
        bench.send(name, rgb_message(1))
        figures = {pair.key: pair.value for pair in bench.account(name).values}
        scales[name] = figures["depth scale"]
    assert scales == {"front": "1", "rear": "2"}
    depths = [pixels_of(bench.last(f"{name}/depth/image", 1)) for name in ("front", "rear")]
    np.testing.assert_allclose(depths[1], 2 * depths[0], rtol=1e-6)
    clouds = [bench.last(f"{name}/points", 1) for name in ("front", "rear")]
    assert [(c.height, c.width) for c in clouds] == [(HEIGHT, WIDTH), (13, 21)]


def test_parameters_of_one_camera(rig: StartRig):
    """The node's hold for all that have none of their own, also when they are changed."""
    bench = rig(("front", "rear"), camera_height=1.2, **{"rear.camera_height": 2.5})

    def mounts() -> list[Mount]:
        return [camera._settings[1].mount for camera in bench.node.cameras]

    assert mounts() == [Mount(1.2, 0.0), Mount(2.5, 0.0)]
    assert bench.set(camera_height=1.4).successful
    assert bench.set(**{"rear.camera_height": 2.0}).successful
    assert mounts() == [Mount(1.4, 0.0), Mount(2.0, 0.0)]
    assert not bench.set(**{"rear.camera_height": 20.0}).successful
    answer = bench.set(max_batch=2)
    assert "max_batch takes effect while configuring only" in answer.reason


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cameras": ["front", "2nd"]}, "cameras: '2nd' cannot be a part of a topic's name"),
        ({"cameras": ["front", "front"]}, "cameras is .* must name each camera once"),
        ({"front.engine": "torch"}, "front.engine: engine is of the whole node; a camera may have"),
        ({"front.hight": 1.0}, "front.hight: hight is no parameter; a camera may have of its own"),
        ({"front.camera_height": 5000.0}, "parameter front.camera_height"),
    ],
)
def test_impossible_parameters_are_one_line(
    context: Context, parameters: dict[str, Any], words: str
):
    given = [Parameter(name, value=value) for name, value in parameters.items()]
    with pytest.raises(ParameterError, match=words):
        RigNode("wrong", context=context, use_global_arguments=False, parameter_overrides=given)


def test_an_impossible_choice_of_one_camera_names_it(rig: StartRig):
    bench = rig(("front", "rear"), **{"rear.resolution": "half"})
    message = bench.hears("rear.resolution: resolution is 'half'; it must be one of", level=40)
    assert bench.said() == [message]
    assert bench.state() == "unconfigured"
    assert bench.account("front").level == ERROR
    assert bench.set(**{"rear.resolution": "network"}).successful
    assert bench.change("configure")


def test_what_a_gpu_needs_is_built_for_each_size_and_number(
    rig: StartRig, monkeypatch: pytest.MonkeyPatch
):
    """When the calibration tells it; here the CPU's engine counts as one that builds."""
    prepared: list[tuple[tuple[int, int], int]] = []

    def prepare(self: Any, size: tuple[int, int], camera: Any = None, *, together: int = 1) -> None:
        prepared.append((size, together))

    monkeypatch.setattr(DepthPredictor, "prepare", prepare)
    monkeypatch.setattr(DepthPredictor, "builds_for_size", True)
    bench = rig(("a", "b", "c"), max_batch=8)
    bench.calibrate("b")
    until(lambda: len(prepared) == 1, "the preparation")
    bench.hear("a", "depth/image")
    bench.send("a", rgb_message(1))
    bench.calibrate("a")
    bench.last("a/depth/image", 1)
    other = PinholeCamera(fx=90.0, fy=90.0, cx=40.0, cy=20.0, width=80, height=60)
    bench.calibrate("c", info_message(other))
    until(lambda: ((60, 80), 3) in prepared, "the second one's")
    assert prepared == [((HEIGHT, WIDTH), 3), ((60, 80), 3)], "once for each that no image told"
    assert bench.change("deactivate")
    assert bench.change("activate")
    bench.connect()
    bench.calibrate("a")
    until(lambda: prepared[2:], "what another engine may need")


def test_cameras_may_be_swapped_by_remapping(rig: StartRig):
    """What is said to be subscribed is; ROS remaps a name once, and not back again."""
    topics = ("image", "camera_info")
    rules = [f"{a}/{t}:={b}/{t}" for t in topics for a, b in (("left", "right"), ("right", "left"))]
    bench = rig(("left", "right"), arguments=[word for rule in rules for word in ("-r", rule)])
    left = bench.of("left")
    images, infos = f"{bench.namespace}/right/image", f"{bench.namespace}/right/camera_info"
    assert (left.image_topic(), left.info_topic()) == (images, infos)
    assert {s.topic_name for s in left.input.subscriptions} == {images, infos}
    assert bench.node.has_parameter(f"qos_overrides.{images}.subscription.depth")
    bench.tester.create_publisher(CameraInfo, infos, LATCHED)
    latched = until(lambda: left.input._latched_info._subscription, "the publisher that latches")
    assert latched.topic_name == infos
    bench.send("left", rgb_message(1))  # on right/image
    until(lambda: left.statistics.arrived, "the image")
    assert bench.of("right").statistics.arrived == 0


def test_compressed_images_of_several_cameras(rig: StartRig, predictor: DepthPredictor):
    bench = rig(("a", "b"), image_transport="compressed", max_batch=2, lockstep=True)
    for name in "ab":
        bench.hear(name, "depth/image")
        bench.calibrate(name)
    png = cv2.imencode(".png", noise()[..., ::-1])[1].tobytes()
    for number in (1, 2, 3):
        message = CompressedImage(format="rgb8; png compressed bgr8", data=png)
        message.header.stamp = stamp(number)
        for name in "ab":
            bench.send(name, message)
    expected = predictor.predict(noise(), CAMERA).depth
    assert expected is not None
    for name in "ab":
        for number in (1, 2, 3):
            depth = pixels_of(bench.last(f"{name}/depth/image", number))
            np.testing.assert_allclose(depth, expected, rtol=1e-4)
