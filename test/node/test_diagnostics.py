"""/diagnostics says how the node is, and the silence of a camera is explained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.event_handler import UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from hma_depth_ros.ros import clock_watch, input_watch
from hma_depth_ros.ros.depth_node.diagnostics import MEANINGS
from hma_depth_ros.ros.depth_node.statistics import FrameStatistics

from .conftest import Predictions, StartBench
from .graph import Bench, info_message, rgb_message, stamp, until

OK, WARN, ERROR = b"\x00", b"\x01", b"\x02"

STAGES = ("wait", "convert", "preprocess", "forward", "postprocess", "publish")


def test_figures(start: StartBench, checkpoint: Path):
    bench = start()
    before = bench.figures()
    assert (before["frames received"], before["frames processed"]) == ("0", "0")
    assert before["rate [Hz]"] == "0.00"
    assert not [key for key in before if key.startswith(("latency", "stage", "frame age"))]

    bench.listen("depth/image", "points")
    bench.publish(info_message())
    for number in range(1, 6):
        bench.infer(rgb_message(number))
    until(lambda: bench.figures()["frames processed"] == "5", "five frames")
    status = bench.status()
    assert (status.level, status.message) == (OK, "active")
    assert re.match("cpu .", status.hardware_id), "and which one it is"
    assert status.name == f"{bench.namespace}/{bench.name}: depth"
    figures = bench.figures()
    assert figures["frames received"] == "5"
    assert figures["frames dropped"] == "0"
    for key, value in {
        "state": "active",
        "engine": "torch",
        "precision": "fp32",
        "device": status.hardware_id,
        "checkpoint": str(checkpoint),
        "encoder": "mobilenetv3_small_050",
        "self-check": "is the reference",
    }.items():
        assert figures[key] == value
    p50, p95, most = (float(figures[f"latency {k} [ms]"]) for k in ("p50", "p95", "max"))
    assert 0 < p50 <= p95 <= most
    stages = [float(figures[f"stage {stage} [ms]"]) for stage in STAGES]
    known = [re.sub(r"\b[A-Z]{4,}\b", ".+", re.escape(key)) for key in MEANINGS]
    assert [key for key in figures if not re.fullmatch("|".join(known), key)] == []
    assert all(milliseconds > 0 for milliseconds in stages)
    # From arrival to the last output published: the stages are parts of it.
    assert 0.9 * sum(stages) / 5 < most


def test_latency_counts_from_the_arrival(
    start: StartBench, predictions: Predictions, monkeypatch: pytest.MonkeyPatch
):
    """The time in which a frame waits for the one before it is latency to whoever brakes."""
    figures: list[dict[str, Any]] = []
    count = FrameStatistics.count_processed

    def noting(self: FrameStatistics, **given: Any) -> None:
        figures.append(given)
        count(self, **given)

    monkeypatch.setattr(FrameStatistics, "count_processed", noting)
    bench = start()
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold_first_of_two(bench)
    time.sleep(0.5)
    predictions.release()
    until(lambda: len(figures) == 2, "both frames")
    second = figures[1]
    assert second["stages"]["wait"] > 0.49
    assert second["latency"] > second["stages"]["wait"]
    assert second["latency"] >= 0.999 * sum(second["stages"].values())


def test_the_rate_is_that_of_the_last_period(start: StartBench):
    bench = start(diagnostics_period=0.5)
    bench.listen("depth/image")
    bench.publish(info_message())
    rates = []
    number = 0
    seen = len(bench.statuses)
    while len(bench.statuses) < seen + 3:
        number += 1
        bench.infer(rgb_message(number))
    rates = [
        float(pair.value)
        for status in bench.statuses[seen:]
        for pair in status.values
        if pair.key == "rate [Hz]"
    ]
    assert max(rates) > 0
    until(lambda: bench.figures()["rate [Hz]"] == "0.00", "the rate to fall")


def test_stamps_are_ros_time_and_so_is_the_age(start: StartBench):
    """Replaying 2011 under simulated time, a frame is not fifteen years old."""
    bench = start(use_sim_time=True)
    bench.listen("depth/image")
    clock = bench.tester.create_publisher(Clock, "/clock", 1)
    until(clock.get_subscription_count, "the node's clock")
    until(lambda: bench.node.count_publishers("/clock"), "the clock at the node")
    now = 1_317_000_000.0
    clock.publish(Clock(clock=stamp(now)))
    until(lambda: bench.node.get_clock().now().nanoseconds == int(now * 1e9), "the time")
    seen = len(bench.statuses)
    until(lambda: len(bench.statuses) > seen + 1, "the node's next look at its clock")
    bench.infer(rgb_message(now - 1.5), info_message())
    until(lambda: bench.figures()["frames processed"] == "1", "the frame's figures")
    assert float(bench.figures()["frame age mean [s]"]) == pytest.approx(1.5, abs=1e-4)
    assert bench.node._diagnostics.topic_name == "/diagnostics"
    # Time stands still, but diagnostics go on.
    seen = len(bench.statuses)
    until(lambda: len(bench.statuses) > seen + 2, "further diagnostics")


def test_a_namesake_is_reported_while_it_is_there(start: StartBench, context: Context):
    bench = start()
    until(lambda: bench.status().level == OK, "a node without problems")
    other = Node(bench.name, context=context, namespace=bench.namespace, use_global_arguments=False)
    until(lambda: bench.status().level == WARN, "the namesake in the diagnostics")
    name = f"{bench.namespace}/{bench.name}"
    assert f"{name}: there is another node of this name" in bench.status().message
    other.destroy_node()
    until(lambda: bench.status().level == OK, "the end of it")


def test_the_hardware_is_what_the_user_says(start: StartBench):
    bench = start(hardware_id="camera 7", autostart=False, inputs={"publish": False})
    assert bench.status().hardware_id == "camera 7"
    assert bench.change("configure")
    assert bench.set(hardware_id="camera 8").successful
    assert bench.status().hardware_id == "camera 8"


@pytest.mark.parametrize("ticks", [False, True])
def test_simulated_time_that_does_not_come_is_no_time(
    start: StartBench, monkeypatch: pytest.MonkeyPatch, ticks: bool
):
    """An age of minus so many years is none."""
    monkeypatch.setattr(clock_watch, "PATIENCE", 0.3)
    bench = start(use_sim_time=True)
    bench.listen("depth/image")
    bench.infer(rgb_message(1_317_000_000), info_message())
    until(lambda: bench.camera.statistics.processed == 1, "the frame's figures")
    warning = bench.hears("use_sim_time is true, but nobody publishes the time")
    assert warning.startswith("/clock: ")
    until(lambda: bench.status().level == WARN, "the missing time in the diagnostics")
    figures = bench.figures()
    assert figures["frames processed"] == "1"
    assert "frame age mean [s]" not in figures

    clock = bench.tester.create_publisher(Clock, "/clock", 1)
    until(clock.get_subscription_count, "the node's clock")
    until(lambda: bench.node.count_publishers("/clock"), "the clock at the node")
    if not ticks:
        until(lambda: "no time has come yet" in bench.status().message, "the silent publisher")
        return
    now = 1_317_000_001.0
    clock.publish(Clock(clock=stamp(now)))
    until(lambda: bench.status().level == OK, "the time")
    bench.infer(rgb_message(now - 0.5))
    until(lambda: "frame age mean [s]" in bench.figures(), "an age")
    assert float(bench.figures()["frame age mean [s]"]) == pytest.approx(0.5, abs=1e-4)
    bench.tester.destroy_publisher(clock)
    bench.hears("nobody publishes the time any longer, which stands at 1317000001.000 s")
    assert "frame age mean [s]" not in bench.figures()
    # What comes meanwhile has no age either, not even once time goes on.
    bench.infer(rgb_message(now + 100))
    clock = bench.tester.create_publisher(Clock, "/clock", 1)
    until(lambda: "frame age mean [s]" in bench.figures(), "the age again")
    assert float(bench.figures()["frame age mean [s]"]) == pytest.approx(0.5, abs=1e-4)


def test_problems_end_with_the_state_in_which_they_arose(start: StartBench):
    bench = start(inputs={"publish_info": False})
    bench.listen("depth/image")
    bench.publish(rgb_message(1))
    until(lambda: bench.status().level == ERROR, "the missing calibration")
    assert "no camera_info has arrived" in bench.status().message
    assert bench.change("deactivate")
    until(lambda: bench.status().message == "inactive", "diagnostics without the problem")
    status = bench.status()
    assert status.level == WARN, "nothing is wrong, but there is no depth"


# --- silence ------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_watch, "SILENCE_SECONDS", 0.3)


def ends_with_a_frame(bench: Bench) -> None:
    """Though nobody listens, and the node does not look at the frame."""
    seen = len(bench.statuses)
    timer = bench.tester.create_timer(0.05, lambda: bench.publish(rgb_message(1)))
    until(lambda: any(s.level == OK for s in bench.statuses[seen:]), "the end of the silence")
    bench.tester.destroy_timer(timer)
    # The silence after it is the same condition, and not said again.
    until(lambda: bench.status().level == WARN, "silence again")
    assert len(bench.said()) == 1


@pytest.mark.usefixtures("impatient")
def test_a_silent_publisher_brings_up_the_transport(start: StartBench):
    bench = start()
    warning = bench.hears("it has a publisher, but no image arrives")
    assert warning.startswith(f"{bench.namespace}/image: ")
    variable, _, rest = warning.partition("=")
    assert variable.split()[-1] in {
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
    }
    path = Path(rest.split()[0])
    assert path.is_file()
    assert "<segment_size>" in path.read_text()
    assert bench.status().level == WARN
    ends_with_a_frame(bench)


def test_a_best_effort_camera_is_heard(start: StartBench):
    bench = start(inputs={"publish": False})
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = bench.tester.create_publisher(Image, "image", best_effort)
    bench.image_publisher = camera
    bench.connect()
    bench.listen("depth/image")
    bench.publish(rgb_message(1))
    bench.last("depth/image", 1)


@pytest.mark.usefixtures("impatient")
def test_without_a_publisher_the_remapping_is_recalled(start: StartBench):
    bench = start(inputs={"publish": False})
    warning = bench.hears("nobody publishes it; remap image:=/your/topic")
    assert warning.startswith(f"{bench.namespace}/image: ")
    bench.image_publisher = bench.tester.create_publisher(Image, "image", 10)
    bench.hears("it has a publisher, but no image arrives")
    assert len(bench.said()) == 2


@pytest.mark.usefixtures("impatient")
def test_a_publisher_that_has_gone_has_gone(start: StartBench):
    bench = start()
    bench.publish(rgb_message(1), rgb_message(2))
    until(lambda: bench.camera.statistics.arrived == 2, "the images")
    bench.tester.destroy_publisher(bench.image_publisher)
    warning = bench.hears("its publisher has gone; images that came before: 2")
    assert warning.startswith(f"{bench.namespace}/image: ")
    until(lambda: "has gone" in bench.status().message, "the end of it in the diagnostics")
    assert not [m for m in bench.said() if "nobody publishes it" in m]
    bench.image_publisher = bench.tester.create_publisher(Image, "image", 10)
    until(bench.image_publisher.get_subscription_count, "the node's subscription")
    before = len(bench.statuses)
    bench.tester.create_timer(0.05, lambda: bench.publish(rgb_message(3)))
    until(lambda: any(s.level == OK for s in bench.statuses[before:]), "images again")


@pytest.mark.usefixtures("impatient")
def test_a_publisher_that_does_not_match_is_told_why(start: StartBench):
    bench = start(lockstep=True, inputs={"publish": False})
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    bench.tester.create_publisher(Image, "image", best_effort)
    warning = bench.hears("what it offers as reliability is less than what is asked for")
    assert f"Set qos_overrides.{bench.namespace}/image.subscription.reliability" in warning


# --- transport ----------------------------------------------------------------------------------

#: Sends a small image for each line that it reads, and after an empty one twelve of 6 MB and three
#: small ones; best effort, with the transport as Fast DDS comes.
CAMERA = """
import sys, time
import rclpy
from array import array
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, sys.argv[1], qos_profile_sensor_data)
def publish(width, height):
    message = Image(width=width, height=height, encoding="rgb8", step=3 * width)
    message.data = array("B", bytes(3 * width * height))
    publisher.publish(message)
    time.sleep(0.05)
while sys.stdin.readline().strip():
    publish(64, 64)
for size in [(1920, 1080)] * 12 + [(64, 64)] * 3:
    publish(*size)
print("sent", flush=True)
sys.stdin.readline()
"""


def test_what_is_lost_in_transport_is_counted_and_said_once(start: StartBench):
    bench = start(inputs={"publish": False}, share_window=3.0)
    if bench.camera.input.watch.lost is None:
        pytest.skip("this middleware does not count lost messages")
    assert bench.figures()["images lost in transport"] == "0"
    arrived = lambda: bench.camera.statistics.arrived  # noqa: E731
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_DEFAULT_PROFILES_FILE")}
    arguments = [sys.executable, "-c", CAMERA, bench.camera.image_topic()]
    with subprocess.Popen(
        arguments, env=clean, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as camera:
        assert camera.stdin is not None
        assert camera.stdout is not None
        knocks: list[int] = []

        def knock() -> bool:
            """From the first one that is there, gaps are counted."""
            print("knock", file=camera.stdin, flush=True)
            knocks.append(1)
            time.sleep(0.2)
            return bool(arrived())

        until(knock, "the first image")
        print(file=camera.stdin, flush=True)
        assert camera.stdout.readline().strip() == "sent"
        until(lambda: arrived() + bench.camera.input.watch.lost >= 16, "all images, come or lost")
        camera.stdin.close()
    assert arrived() + bench.camera.input.watch.lost <= 15 + len(knocks)
    lost = bench.camera.input.watch.lost
    warning = bench.hears("lost on the way: ")
    assert warning.startswith(f"transport of {bench.namespace}/image: ")
    assert f"qos_overrides.{bench.namespace}/image.subscription.reliability:=reliable" in warning
    assert 0 < lost <= 12
    assert bench.figures()["images lost in transport"] == str(lost)

    def in_the_mode() -> DiagnosticStatus | None:
        """Perhaps a while ago: on a busy machine the window may be over."""
        named = KeyValue(key="modes", value="transport_loss")
        return next((status for status in bench.statuses if named in status.values), None)

    status = until(in_the_mode, "the mode")
    assert status is not None
    assert status.level == WARN
    assert status.message.startswith("transport_loss: ")
    assert "reliability:=reliable" in status.message, "what helps, too"
    assert len([m for m in bench.said() if "lost on the way" in m]) == 1
    until(lambda: bench.figures()["modes"] == "none", "a window without losses")
    # The count goes on through the states of the life cycle.
    assert bench.change("deactivate")
    assert bench.figures()["images lost in transport"] == str(lost)
    assert bench.change("activate")
    assert bench.figures()["images lost in transport"] == str(lost)


def test_a_middleware_that_does_not_count_says_nothing(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    """Not every one has the event; rclpy says so when it is asked for."""

    def unsupported(*_: object) -> None:
        raise UnsupportedEventTypeError("no such event")

    monkeypatch.setattr("hma_depth_ros.ros.endpoint_events._rclpy.EventHandle", unsupported)
    bench = start()
    monkeypatch.undo()
    assert "images lost in transport" not in bench.figures()
    bench.listen("depth/image")
    bench.infer(rgb_message(1), info_message())
    assert bench.said() == []
