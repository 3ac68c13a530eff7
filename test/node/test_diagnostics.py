"""/diagnostics says how the node is, and the silence of a camera is explained."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from hma_depth_ros.ros import depth_node
from hma_depth_ros.ros.statistics import WINDOW, FrameStatistics

from .conftest import Predictions, StartBench
from .graph import Bench, info_message, rgb_message, stamp, until

OK, WARN = b"\x00", b"\x01"

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
    assert status.name == f"{bench.name}: depth"
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
    assert all(milliseconds > 0 for milliseconds in stages)
    # From arrival to the last output published: the stages are parts of it.
    assert 0.9 * sum(stages) / 5 < most


def test_percentiles_are_those_of_the_latest_frames():
    """Of 1 to 101 ms: the middle one, and the one with 5 % above it."""
    statistics = FrameStatistics()
    statistics.count_processed(latency=5.0, age=0, stages={})  # out of the window by the end
    for _ in range(WINDOW):
        statistics.count_processed(latency=0.05, age=0, stages={})
    assert statistics.snapshot().latency == {"p50": 0.05, "p95": 0.05, "max": 0.05}
    others = FrameStatistics()
    for milliseconds in range(101, 0, -1):
        others.count_processed(latency=milliseconds / 1e3, age=0, stages={})
    assert others.snapshot().latency == pytest.approx({"p50": 0.051, "p95": 0.096, "max": 0.101})


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
    predictions.hold()
    bench.publish(rgb_message(1))
    until(lambda: predictions.outputs, "the first frame at the network")
    bench.publish(rgb_message(2))
    until(lambda: bench.node._statistics.received == 2, "the second frame at the node")
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
    assert max(rates) > 2
    until(lambda: bench.figures()["rate [Hz]"] == "0.00", "the rate to fall")


def test_stamps_are_ros_time_and_so_is_the_age(start: StartBench):
    """Replaying 2011 under simulated time, a frame is not fifteen years old."""
    bench = start(use_sim_time=True)
    bench.listen("depth/image")
    clock = bench.tester.create_publisher(Clock, "/clock", 1)
    until(clock.get_subscription_count, "the node's clock")
    now = 1_317_000_000.0
    clock.publish(Clock(clock=stamp(now)))
    until(lambda: bench.node.get_clock().now().nanoseconds == int(now * 1e9), "the time")
    bench.infer(rgb_message(now - 1.5), info_message())
    until(lambda: bench.figures()["frames processed"] == "1", "the frame's figures")
    assert float(bench.figures()["frame age mean [s]"]) == pytest.approx(1.5, abs=1e-4)
    assert bench.node._diagnostics.topic_name == "/diagnostics"
    # Time stands still, but diagnostics go on.
    seen = len(bench.statuses)
    until(lambda: len(bench.statuses) > seen + 2, "further diagnostics")


def test_problems_end_with_the_state_in_which_they_arose(start: StartBench):
    bench = start(inputs={"publish_info": False})
    bench.listen("depth/image")
    bench.publish(rgb_message(1))
    until(lambda: bench.status().level == WARN, "the missing calibration")
    assert "no camera_info has arrived" in bench.status().message
    assert bench.change("deactivate")
    until(lambda: bench.status().level == OK, "diagnostics without the problem")
    assert bench.status().message == "inactive"


# --- silence ------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth_node, "SILENCE_SECONDS", 0.3)


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
