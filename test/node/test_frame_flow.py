"""Which frames are processed, in which order, and where the others are counted."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from rclpy.duration import Duration
from sensor_msgs.msg import Image

from hma_depth_ros.ros.depth_node.image_input import OVERRUN

from .conftest import Predictions, StartBench
from .graph import DEADLINE, DEEP, Bench, info_message, rgb_message, stamp, until

FLOOD = 40


def stamps(bench: Bench, topic: str = "depth/image") -> list[int]:
    return [message.header.stamp.sec for message in bench.received[topic]]


def all_accounted_for(bench: Bench) -> bool:
    """Whether no frame waits any longer to be processed or left out for a cause."""
    s = bench.camera.statistics
    return s.arrived == s.processed + s.dropped.total() + s.skipped.total() + s.failed.total()


def test_lockstep_is_one_in_one_out(start: StartBench):
    bench = start(lockstep=True)
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    bench.publish(*(rgb_message(number) for number in range(1, FLOOD + 1)))
    for topic in ("depth/image", "points"):
        until(lambda t=topic: bench.count(t) >= FLOOD, f"{FLOOD} messages on {topic}")  # type: ignore[misc]
        assert stamps(bench, topic) == list(range(1, FLOOD + 1))
    statistics = bench.camera.statistics
    until(lambda: statistics.processed == FLOOD, "the last frame's figures")
    assert statistics.arrived == FLOOD
    assert not statistics.dropped


def test_lockstep_holds_the_next_frame_until_this_one_has_arrived(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    """At every subscriber of each of its outputs: they would lose what comes too fast."""
    bench = start(lockstep=True)
    bench.listen("depth/image", "points")
    arrived = threading.Event()
    asked: list[str] = []

    def wait_for_all_acked(topic: str) -> Callable[..., bool]:
        def wait(timeout: Duration) -> bool:
            asked.append(topic)
            return arrived.wait(DEADLINE)

        return wait

    for topic, publisher in bench.camera.outputs.publishers.items():
        monkeypatch.setattr(publisher, "wait_for_all_acked", wait_for_all_acked(topic))
    bench.publish(info_message())
    bench.publish(rgb_message(1), rgb_message(2))
    for topic in ("depth/image", "points"):
        bench.last(topic, 1)
    until(lambda: asked, "the question whether it has arrived")
    until(lambda: bench.camera.statistics.arrived == 2, "the second frame at the node")
    assert bench.camera.statistics.processed == 0
    assert stamps(bench) == stamps(bench, "points") == [1]
    arrived.set()
    bench.last("points", 2)
    until(lambda: len(asked) == 4, "the second frame's subscribers")
    assert [set(asked[:2]), set(asked[2:])] == [{"depth/image", "points"}] * 2


def test_lockstep_names_a_subscriber_that_takes_too_long(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    bench = start(lockstep=True)
    bench.listen("depth/image")
    publisher = bench.camera.outputs.publishers["depth/image"]
    monkeypatch.setattr(publisher, "wait_for_all_acked", lambda _: False)
    bench.infer(rgb_message(1), info_message())
    bench.hears("a subscriber has not taken a frame within 10 s")


def test_lockstep_answers_while_frames_wait(start: StartBench, predictions: Predictions):
    """A replay that is ahead of the network must not deafen the node."""
    bench = start(lockstep=True)
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold()
    bench.publish(*(rgb_message(number) for number in range(1, FLOOD + 1)))
    until(lambda: predictions.outputs, "the first frame at the network")
    assert bench.set(color_range=50.0).successful
    assert bench.figures()["frames processed"] == "0"
    predictions.release()
    until(lambda: bench.count("depth/image") >= FLOOD, "all frames")
    assert stamps(bench) == list(range(1, FLOOD + 1))


def test_the_latest_frame_wins(start: StartBench, predictions: Predictions):
    bench = start()
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold()
    bench.publish(rgb_message(1))
    until(lambda: predictions.outputs, "the first frame at the network")
    statistics = bench.camera.statistics
    for number in range(2, FLOOD + 1):  # one by one: best effort may lose what comes too fast
        bench.publish(rgb_message(number))
        until(lambda n=number: statistics.arrived == n, f"frame {number} at the node")  # type: ignore[misc]
    predictions.release()
    until(lambda: statistics.processed == 2, "the first and the last frame")
    bench.last("depth/image", FLOOD)
    assert stamps(bench) == [1, FLOOD]
    assert statistics.dropped == {"replaced by a newer frame": FLOOD - 2}
    assert all_accounted_for(bench)


def test_a_flood_ends_with_its_last_frame(start: StartBench):
    """At full speed, with whatever the best-effort subscription catches."""
    bench = start()
    bench.listen("depth/image")
    bench.publish(info_message())
    bench.publish(*(rgb_message(number) for number in range(1, 201)))
    bench.last("depth/image", 200)
    until(lambda: all_accounted_for(bench), "the figures")
    assert stamps(bench) == sorted(stamps(bench))
    figures = bench.figures()
    received, processed = int(figures["frames received"]), int(figures["frames processed"])
    assert processed == bench.count("depth/image") < received <= 200
    assert int(figures["frames dropped"]) == received - processed
    causes = {key for key in figures if key.startswith("dropped: ")}
    either = {"dropped: replaced by a newer frame", f"dropped: {OVERRUN}"}
    assert causes <= either, "where depends on the speed"


@pytest.mark.parametrize("lockstep", [False, True])
def test_frames_that_wait_when_the_node_stops_are_counted(
    start: StartBench, predictions: Predictions, lockstep: bool
):
    bench = start(lockstep=lockstep)
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold_first_of_two(bench)
    predictions.release_once_it_stops(bench)
    assert bench.change("deactivate")
    assert bench.camera.statistics.processed == 1, "the frame under way is finished"
    assert bench.camera.statistics.dropped == {"the node was stopped": 1}
    bench.last("depth/image", 1)
    assert stamps(bench) == [1]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"lockstep": True}, {"pairing": "exact"}, {"pairing": "exact", "lockstep": True}],
)
def test_every_image_is_accounted_for_at_any_time(start: StartBench, parameters: dict[str, Any]):
    """Whatever comes, whoever listens, through the states of the life cycle: in each message."""
    bench = start(**parameters)
    statistics = bench.camera.statistics
    bad = rgb_message()
    bad.encoding = "plaid"
    numbers = itertools.count(1)

    def publish_until(condition: Callable[[], bool]) -> None:
        """Publish good and bad images, more than the node can take, until it has had enough."""

        def enough() -> bool:
            for make in (rgb_message, rgb_message, lambda _: bad, rgb_message):
                number = next(numbers)
                image = make(number)
                image.header.stamp = stamp(number)
                bench.publish(info_message(number=number), image)
            return condition()

        until(enough, "fates of all kinds")

    publish_until(lambda: bool(statistics.skipped))  # nobody listens
    bench.listen("depth/image")
    publish_until(lambda: statistics.processed > 5 and statistics.failed.total() > 2)
    assert bench.change("deactivate")
    assert all_accounted_for(bench)
    assert bench.change("activate")
    bench.connect()
    before = statistics.arrived
    publish_until(lambda: statistics.arrived > before + 10)
    assert bench.change("deactivate")
    assert all_accounted_for(bench)
    bench.status()
    accounts = [{p.key: p.value for p in status.values} for status in bench.statuses]
    for account in accounts:
        fates = ("processed", "dropped", "skipped", "failed")
        assert int(account["frames received"]) == sum(int(account[f"frames {f}"]) for f in fates)
        for fate in fates[1:]:
            causes = [int(v) for key, v in account.items() if key.startswith(f"{fate}: ")]
            assert int(account[f"frames {fate}"]) == sum(causes)
        assert int(account["frames waiting"]) >= 0
    last = accounts[-1]
    assert last["frames waiting"] == "0"
    assert int(last["frames received"]) == statistics.arrived
    assert min(int(last[f"frames {fate}"]) for fate in ("processed", "skipped", "failed")) > 0


@pytest.mark.skipif(
    int(version("rclpy").split(".")[0]) < 9,
    reason="Jazzy's publishers do not number their messages",
)
def test_what_the_node_does_not_take_in_time_is_counted(start: StartBench):
    """The middleware keeps the latest images, and says nothing of those that it drops for them."""
    bench = start()
    others: list[Image] = []
    bench.tester.create_subscription(Image, "image", others.append, DEEP)
    until(lambda: bench.image_publisher.get_subscription_count() == 2, "another subscriber")
    bench.publish(rgb_message(1))
    until(lambda: bench.camera.statistics.arrived == 1, "the first image")
    busy, go_on = threading.Event(), threading.Event()

    def hold_up() -> None:
        timer.cancel()
        busy.set()
        go_on.wait(DEADLINE)

    timer = bench.node.create_timer(0.0, hold_up)
    until(busy.is_set, "a callback that takes long")
    for number in range(2, 52):
        bench.publish(rgb_message(number))
    until(lambda: len(others) == 51, "all images at who takes them")
    go_on.set()
    until(lambda: bench.camera.statistics.arrived == 51, "all of them in the account")
    assert bench.camera.statistics.dropped[OVERRUN] == 45, "the queue has room for five"
    assert bench.figures()[f"dropped: {OVERRUN}"] == "45"


def test_an_image_that_is_served_after_the_stop_is_dropped(start: StartBench):
    """The executor may have taken it before."""
    bench = start()
    images = bench.camera.input
    assert bench.change("deactivate")
    images.on_image(rgb_message(1))
    figures = bench.figures()
    assert (figures["frames received"], figures["frames waiting"]) == ("1", "0")
    assert figures["dropped: the node was stopped"] == "1"


def test_a_frame_that_waits_is_not_yet_received(start: StartBench, predictions: Predictions):
    bench = start(lockstep=True)
    bench.listen("depth/image")
    bench.publish(info_message())
    predictions.hold()
    bench.publish(*(rgb_message(number) for number in (1, 2, 3)))
    until(lambda: bench.camera.statistics.arrived == 3, "the frames at the node")
    figures = bench.figures()
    assert (figures["frames received"], figures["frames waiting"]) == ("0", "3")
    predictions.release()
    until(lambda: bench.figures()["frames received"] == "3", "the frames' figures")
    assert bench.figures()["frames waiting"] == "0"


def test_stamps_may_go_back(start: StartBench):
    """A bag in a loop begins again."""
    bench = start()
    bench.listen("depth/image", "points")
    bench.publish(info_message(number=100))
    for number in (100, 101, 102):
        bench.infer(rgb_message(number))
    again = [100.5, 101.5]
    for half in again:
        bench.infer(rgb_message(half))
    assert [m.header.stamp for m in bench.received["points"]][-2:] == [stamp(n) for n in again]
    bench.hears("stamps went back by 1.500 s", level=20)
    assert bench.said() == []


@pytest.mark.parametrize("pairing", ["cached", "exact"])
def test_impossible_stamps_do_no_harm(start: StartBench, pairing: str):
    """Negative seconds: rclpy.time.Time refuses them."""
    bench = start(pairing=pairing)
    bench.listen("depth/image")
    early = rgb_message(1)
    early.header.stamp.sec = -5
    info = info_message()
    info.header.stamp.sec = -5
    bench.publish(info, early)
    bench.hears("negative")
    bench.infer(rgb_message(2), info_message(number=2))
    assert bench.camera.statistics.failed == {"bad image": 1}


def test_no_stamp_at_all_is_a_stamp(start: StartBench):
    """Some drivers leave it zero."""
    bench = start()
    bench.listen("depth/image", "depth/camera_info")
    outputs = bench.infer(rgb_message(0), info_message(number=0))
    assert outputs["depth/camera_info"].header.stamp == stamp(0)
