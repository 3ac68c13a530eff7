"""Replayer and recorder over real DDS, as processes of their own and inside this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.new_messages import cloud_message, image_message
from hma_depth_ros.bags.reader import BagReader
from hma_depth_ros.bags.recorded_qos import offered_qos
from hma_depth_ros.bags.typestore import TYPESTORE, message
from hma_depth_ros.bags.writer import BagWriter
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.messages.types import IMAGE, POINT_CLOUD, TF_MESSAGE

rclpy = pytest.importorskip("rclpy")

START = 1_317_042_145_961_661_696
MILLISECOND = 1_000_000
STRING = "std_msgs/msg/String"
TIMEOUT = 60.0


def _command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hma_depth_ros", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).resolve().parent.parent,
    )


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Whatever a test starts is gone at its end, even if the test fails."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _decoded(path: Path, topics: list[str]) -> list[tuple[str, bytes]]:
    """Topics and contents in order; serialised anew, because padding bytes differ."""
    with BagReader(path) as bag:
        return [
            (raw.topic, bytes(TYPESTORE.serialize_cdr(bag.decode(raw), raw.type)))
            for raw in bag.messages(topics)
        ]


@pytest.fixture
def big_bag(tmp_path: Path) -> Path:
    """Camera images of 1.4 MB and organised clouds of 15 MB at 10 Hz."""
    rng = np.random.default_rng(0)
    with BagWriter(tmp_path / "big") as bag:
        bag.add_topic("/tf_static", TF_MESSAGE, qos=offered_qos(transient_local=True))
        bag.write("/tf_static", START, message(TF_MESSAGE, transforms=[]))
        bag.add_topic("/eye/image", IMAGE)
        bag.add_topic("/points", POINT_CLOUD)
        for index in range(8):
            stamp = START + index * 100 * MILLISECOND
            pixels = rng.integers(0, 256, (375, 1242, 3)).astype(np.uint8)
            bag.write("/eye/image", stamp, image_message(pixels, "rgb8", stamp=stamp, frame="a"))
            points = rng.random((375 * 1242, 8), dtype=np.float32)
            cloud = cloud_message(points, tuple("xyzabcde"), stamp=stamp + 1, frame="b")
            bag.write("/points", stamp + 50 * MILLISECOND, cloud)
    return tmp_path / "big"


@pytest.fixture
def small_bag(tmp_path: Path) -> Path:
    """Five strings 20 ms apart, and one that is latched."""
    with BagWriter(tmp_path / "small") as bag:
        bag.add_topic("/words", STRING)
        bag.add_topic("/latched", STRING, qos=offered_qos(depth=1, transient_local=True))
        bag.write("/latched", START, message(STRING, data="always"))
        for index in range(5):
            text = message(STRING, data=f"word {index}")
            bag.write("/words", START + index * 20 * MILLISECOND, text)
    return tmp_path / "small"


# --- processes ----------------------------------------------------------------------------------


def test_a_replayed_and_recorded_bag_is_the_same(
    big_bag: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    out = tmp_path / "recorded"
    topics = ["/eye/image", "/points"]
    recorder = _command("record_bag", "--output", out, "/eye/image", f"/points:{POINT_CLOUD}")
    replayer = _command("replay_bag", big_bag, "--wait-for-subscribers", *topics)
    processes += [recorder, replayer]
    output, errors = replayer.communicate(timeout=TIMEOUT)
    assert replayer.returncode == 0, errors
    assert "      8  /eye/image\n      8  /points\n" in output
    assert output.splitlines()[-1].startswith(("16 messages", "17 messages"))  # with tf2_msgs
    recorder.send_signal(signal.SIGTERM)
    output, errors = recorder.communicate(timeout=TIMEOUT)
    assert recorder.returncode == 0, errors
    assert output.startswith(f"recording 2 topics to {out}\n")
    for topic in topics:  # which may overtake each other
        assert _decoded(out, [topic]) == _decoded(big_bag, [topic])
    with BagReader(out) as bag:  # when it arrived, not when first recorded
        assert abs(bag.end - time.time_ns()) < TIMEOUT * 1e9


def test_a_loop_ends_on_a_signal(
    small_bag: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    out = tmp_path / "recorded"
    replayer = _command("replay_bag", small_bag, "--loop", "--rate", "4", "--remap", "/words:=/w")
    recorder = _command("record_bag", "--output", out, "/w", "--max-messages", "12")
    processes += [replayer, recorder]
    output, errors = recorder.communicate(timeout=TIMEOUT)
    assert recorder.returncode == 0, errors
    replayer.send_signal(signal.SIGINT)
    output, errors = replayer.communicate(timeout=TIMEOUT)
    assert replayer.returncode == 0, errors
    assert "  /w\n" in output
    with BagReader(out) as bag:
        words = [int(bag.decode(m).data[-1]) for m in bag.messages(["/w"])]
    assert len(words) == 12
    assert all(after == (before + 1) % 5 for before, after in pairwise(words))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--topics", "/picture"], "has no topic /picture; topics with"),
        (["--topics", "/tf_static"], "has no message that can be replayed"),
        (["--remap", "/points:=my points"], "'my points' cannot be the name of a topic: Invalid"),
        (["--ros-args", "--bogus"], "ROS does not start: UnknownROSArgsError: ['--bogus']"),
        (["--wait-for-subscribers", "/elsewhere"], "what is published is /eye/image"),
        (["--lockstep", "/eye/imag:=/depth/image"], "no images on /eye/imag; there are /eye/image"),
        (["--topics", "/points", "--lockstep", "/depth"], "say of which images, as in IMAGE:=/dep"),
        (["--start", "100"], "has nothing after 100 s"),
        (
            ["--wait-for-subscribers", "/points:2", "--wait-timeout", "0.2"],
            "not enough subscribers after 0.2 s on /points",
        ),
    ],
)
def test_the_replayer_explains_itself(
    big_bag: Path, arguments: list[str], complaint: str, processes: list[subprocess.Popen[str]]
) -> None:
    if "/tf_static" in arguments and find_spec("tf2_msgs"):
        pytest.skip("tf2_msgs is installed, so /tf_static can be replayed")
    replayer = _command("replay_bag", big_bag, *arguments)
    processes.append(replayer)
    _, errors = replayer.communicate(timeout=TIMEOUT)
    assert replayer.returncode == 2
    assert complaint in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_a_recording_that_cannot_begin_leaves_nothing(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    out = tmp_path / "bags" / "out"
    recorder = _command("record_bag", "--output", out, "/odd:odd_msgs/msg/Odd")
    processes.append(recorder)
    _, errors = recorder.communicate(timeout=TIMEOUT)
    assert recorder.returncode == 2
    assert "cannot record /odd: the message package of odd_msgs/msg/Odd is not installed" in errors
    assert list(out.parent.iterdir()) == []


def test_a_recording_that_is_killed_can_be_read(
    tmp_path: Path, processes: list[subprocess.Popen[str]], node: Any
) -> None:
    from std_msgs.msg import String

    out = tmp_path / "out"
    publisher = node.create_publisher(String, "/words", 100)
    recorder = _command("record_bag", "--output", out, "/words")
    processes.append(recorder)
    assert recorder.stdout is not None
    assert recorder.stdout.readline().startswith("recording 1 topics")
    sent = 0
    deadline = time.monotonic() + TIMEOUT
    while out.exists() and (out / "out.mcap").stat().st_size < 1000:
        publisher.publish(String(data=str(sent)))
        sent += 1
        assert time.monotonic() < deadline
        time.sleep(0.01)
    recorder.kill()
    recorder.wait()
    with BagReader(out) as bag:
        numbers = [int(bag.decode(raw).data) for raw in bag.messages()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 3


def test_a_topic_that_cannot_be_recorded_does_not_end_the_others(
    tmp_path: Path, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from std_msgs.msg import Bool, String

    from hma_depth_ros.ros.bag_tools import recorder as module
    from hma_depth_ros.ros.bag_tools.message_class import message_class

    known = lambda name: None if name.endswith("Bool") else message_class(name)  # noqa: E731
    monkeypatch.setattr(module, "message_class", known)
    publisher = node.create_publisher(String, "/words", 100)
    node.create_timer(0.05, lambda: publisher.publish(String(data="x")))
    node.create_publisher(Bool, "/odd", 1)
    assert len(_record(node, tmp_path / "out", "/words", "/odd", least=3)) >= 3
    with pytest.raises(HmaDepthError, match=r"cannot record /odd: .*Bool is not installed"):
        _record(node, tmp_path / "other", "/odd", least=0)


# --- inside this process ------------------------------------------------------------------------


@pytest.fixture
def node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node("test_replay_record", context=context)
    yield made
    made.destroy_node()
    context.try_shutdown()


@pytest.fixture
def elsewhere() -> Iterator[Any]:
    """A node as of another process, in which a topic may have another type."""
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node("elsewhere", context=context)
    yield made
    made.destroy_node()
    context.try_shutdown()


def _wait_for_publishers(node: Any, *topics: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not all(node.count_publishers(topic) for topic in topics):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _record(node: Any, path: Path, *topics: str, least: int = 1) -> list[tuple[str, Any]]:
    """Record until so many messages have come, and half a second more; topics and contents."""
    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest

    stop = threading.Event()
    with BagWriter(path) as bag:

        def look() -> None:
            deadline = time.monotonic() + TIMEOUT
            while sum(bag.counts.values()) < least and time.monotonic() < deadline:
                time.sleep(0.01)
            stop.wait(0.5)  # for what should not come
            stop.set()

        watch = threading.Thread(target=look)
        watch.start()
        try:
            recorder = BagRecorder(node, bag, [TopicRequest.parse(topic) for topic in topics])
            recorder.run(stop=stop, on_connected=lambda: None)
        finally:
            stop.set()
            watch.join()
    with BagReader(path) as reader:
        return [(raw.topic, reader.decode(raw)) for raw in reader.messages()]


def test_latched_messages_reach_those_who_come_late(
    small_bag: Path, tmp_path: Path, node: Any
) -> None:
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    with BagReader(small_bag) as bag:
        replayer = BagReplayer(node, bag)
        begin = time.monotonic()
        assert replayer.play(rate=2.0, stop=threading.Event())
        assert time.monotonic() - begin >= 0.04  # 80 ms at double speed
        assert replayer.report.sent == {"/latched": 1, "/words": 5}
        begin = time.time_ns()
        recorded = _record(node, tmp_path / "late", "/latched", "/words")
    assert [(topic, text.data) for topic, text in recorded] == [("/latched", "always")]
    with BagReader(tmp_path / "late") as late:
        assert begin <= late.start < time.time_ns(), "when it arrived, and not when it was sent"
        durability = {name: topic.qos[0].durability.name for name, topic in late.topics.items()}
    assert durability == {"/latched": "TRANSIENT_LOCAL", "/words": "VOLATILE"}


def test_a_part_of_the_bag_with_what_is_latched_before_it(
    small_bag: Path, tmp_path: Path, node: Any
) -> None:
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    with BagReader(small_bag) as bag:
        replayer = BagReplayer(node, bag, start=0.03, duration=0.03)
        begin = time.monotonic()
        assert replayer.play(rate=0.1, stop=threading.Event())
        assert time.monotonic() - begin >= 0.1  # the word at 40 ms, 10 ms after the start
        assert replayer.report.sent == {"/latched": 0, "/words": 1}
        recorded = _record(node, tmp_path / "late", "/latched")
        with pytest.raises(HmaDepthError, match=r"has nothing after 1 s: it ends at 0\.080 s"):
            BagReplayer(node, bag, start=1.0)
    assert [text.data for _, text in recorded] == ["always"]


def test_pausing_by_service_and_topic(small_bag: Path, node: Any) -> None:
    from rosgraph_msgs.msg import Clock
    from std_msgs.msg import Bool
    from std_srvs.srv import SetBool, Trigger

    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.pause import PauseControl
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    # Names that begin with ~ are the node's own, so one node serves and asks.
    pause = PauseControl(node, paused=True)
    states: list[bool] = []
    clocks: list[int] = []
    latched = rclpy.qos.QoSProfile(depth=5, durability=rclpy.qos.DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(Bool, "~/paused", lambda m: states.append(m.data), latched)
    node.create_subscription(Clock, "/clock", lambda m: clocks.append(m.clock.nanosec), 1000)
    publisher = node.create_publisher(Bool, "~/pause", 10)
    set_paused = node.create_client(SetBool, "~/set_paused")
    toggle = node.create_client(Trigger, "~/toggle_paused")
    stop = threading.Event()

    def until(done: Any) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with served(node), BagReader(small_bag) as bag:
        replayer = BagReplayer(node, bag, topics=["/words"], clock_rate=100.0)
        replayer.pause = pause
        player = threading.Thread(target=replayer.play, kwargs={"rate": 0.02, "stop": stop})
        player.start()
        until(lambda: states == [True] and len(clocks) > 3)
        assert replayer.report.sent == {"/words": 0}
        assert len(set(clocks)) == 1  # time stands still
        assert set_paused.wait_for_service(TIMEOUT)
        answer = set_paused.call(SetBool.Request(data=False))
        assert (answer.success, answer.message) == (True, "running")
        until(lambda: replayer.report.sent["/words"] >= 1)
        until(publisher.get_subscription_count)
        publisher.publish(Bool(data=True))
        until(lambda: pause.paused)
        time.sleep(0.2)
        sent = replayer.report.sent["/words"]
        assert sent < 5
        time.sleep(1.2)  # more than the second from word to word
        assert replayer.report.sent["/words"] == sent
        assert toggle.wait_for_service(TIMEOUT)
        assert toggle.call(Trigger.Request()).message == "running"
        until(lambda: replayer.report.sent["/words"] > sent)
        stop.set()
        player.join(10)
        until(lambda: len(states) == 4)
    assert states == [True, False, True, False]
    assert replayer.report.worst_delay < 1.0  # a pause of 1.4 s is no lateness


@pytest.fixture
def image_bag(tmp_path: Path) -> Path:
    """Six images, each followed by its calibration, which a node may need for the image."""
    with BagWriter(tmp_path / "images") as bag:
        bag.add_topic("/eye", IMAGE)
        bag.add_topic("/words", STRING)
        for index in range(6):
            stamp = START + index * 10 * MILLISECOND
            pixels = np.zeros((4, 4), np.uint8)
            bag.write("/eye", stamp, image_message(pixels, "mono8", stamp=stamp, frame="e"))
            bag.write("/words", stamp, message(STRING, data=str(index)))
    return tmp_path / "images"


def test_an_image_waits_for_the_output_of_the_one_before(image_bag: Path, node: Any) -> None:
    from sensor_msgs.msg import Image

    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    events: list[tuple[str, int]] = []
    output = node.create_publisher(Image, "/depth", 10)

    def process(image: Any) -> None:
        number = (header_stamp(image) - START) // (10 * MILLISECOND)
        events.append(("in", number))
        time.sleep(0.1)
        events.append(("out", number))
        output.publish(image)

    node.create_subscription(Image, "/eye", process, 10)
    worker = rclpy.create_node("player", context=node.context)
    stop = threading.Event()
    with served(node), served(worker), BagReader(image_bag) as bag:
        replayer = BagReplayer(worker, bag)
        assert replayer.cameras == ["/eye"]
        replayer.wait_for_subscribers({"/eye": 1}, timeout=TIMEOUT, stop=stop)
        replayer.back_pressure = BackPressure(worker, {"/eye": "/depth"}, timeout=TIMEOUT)
        replayer.back_pressure.connect(timeout=TIMEOUT, stop=stop)
        assert replayer.play(rate=100.0, stop=stop)
        # What is not waited for goes out at once: a node may need it to process its image.
        assert replayer.report.sent == {"/eye": 6, "/words": 6}
        assert replayer.report.worst_delay < 0.4  # and not the half second of six images
    numbers = [number for _, number in events[::2]]
    assert numbers == list(range(6))
    assert events == [(what, number) for number in numbers for what in ("in", "out")]
    worker.destroy_node()


def test_nobody_answers_in_lockstep(image_bag: Path, node: Any) -> None:
    from sensor_msgs.msg import Image

    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    stop = threading.Event()
    with served(node), BagReader(image_bag) as bag:
        replayer = BagReplayer(node, bag)
        replayer.back_pressure = BackPressure(node, {"/eye": "depth"}, timeout=0.3)
        with pytest.raises(HmaDepthError, match=r"no images after 0\.2 s on /depth \(no publisher"):
            replayer.back_pressure.connect(timeout=0.2, stop=stop)
        node.create_publisher(Image, "/depth", 10)
        replayer.back_pressure.connect(timeout=TIMEOUT, stop=stop)
        with pytest.raises(
            HmaDepthError, match=r"on /depth within 0\.3 s for the image of stamp \d+\.961661696 on"
        ):
            replayer.play(rate=1.0, stop=stop)


def test_lockstep_takes_what_the_output_offers(image_bag: Path, node: Any, elsewhere: Any) -> None:
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure

    stop = threading.Event()
    loose = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    with served(node), BagReader(image_bag) as bag:
        pressure = BackPressure(node, {"/eye": "/depth"}, timeout=TIMEOUT)
        words = BackPressure(node, {"/eye": "/words"}, timeout=TIMEOUT)
        output = node.create_publisher(Image, "/depth", loose)
        elsewhere.create_publisher(String, "/words", 10)
        pressure.connect(timeout=TIMEOUT, stop=stop)
        image = next(bag.messages(["/eye"]))
        pressure.sent("/eye", image.data)
        output.publish(bytes(image.data))
        pressure.wait("/eye", stop)
        with pytest.raises(
            HmaDepthError, match=r"on /words \(what is .* std_msgs/msg/String\), for"
        ):
            words.connect(timeout=0.2, stop=stop)


def test_long_silence_is_skipped(tmp_path: Path, node: Any) -> None:
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    with BagWriter(tmp_path / "in") as writer:
        writer.add_topic("/words", STRING)
        for stamp in (3 * 10**9, START, START + 100 * MILLISECOND):  # the clock was set meanwhile
            writer.write("/words", stamp, message(STRING, data="x"))
    with BagReader(tmp_path / "in") as bag:
        begin = time.monotonic()
        assert BagReplayer(node, bag).play(rate=2.0, stop=threading.Event())
        assert 0.5 <= time.monotonic() - begin < 10  # a second, and the tenth, at double speed
        stop = threading.Event()
        replayer = BagReplayer(node, bag, longest_silence=float("inf"))

        def give_up() -> None:
            while not replayer.report.sent["/words"]:
                time.sleep(0.01)
            stop.wait(0.7)
            stop.set()

        threading.Thread(target=give_up, daemon=True).start()
        assert not replayer.play(rate=2.0, stop=stop)
        assert replayer.report.sent == {"/words": 1}


def test_there_is_one_clock(tmp_path: Path, node: Any) -> None:
    from rosgraph_msgs.msg import Clock

    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    with BagWriter(tmp_path / "in") as writer:
        writer.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        writer.add_topic("/words", STRING)
        for index in range(3):
            simulated = message("builtin_interfaces/msg/Time", sec=40, nanosec=index)
            stamp = START + index * MILLISECOND
            writer.write("/clock", stamp, message("rosgraph_msgs/msg/Clock", clock=simulated))
            writer.write("/words", stamp, message(STRING, data="x"))
    seconds: list[int] = []
    node.create_subscription(Clock, "/clock", lambda m: seconds.append(m.clock.sec), 1000)
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    with BagReader(tmp_path / "in") as bag:
        for replayer, expected in (
            (BagReplayer(node, bag), 40),
            (BagReplayer(node, bag, clock_rate=100.0), START // 10**9),
        ):
            seconds.clear()
            replayer.play(rate=1.0, stop=threading.Event())
            deadline = time.monotonic() + TIMEOUT
            while len(seconds) < 3 and time.monotonic() < deadline:
                executor.spin_once(timeout_sec=0.1)
            assert set(seconds) == {expected}
        moved = BagReplayer(node, bag, clock_rate=100.0, remap={"/clock": "/simulated_clock"})
        assert set(moved.report.sent) == {"/simulated_clock", "/words"}
    executor.shutdown()


def test_a_name_that_ros_does_not_allow_is_left_out(tmp_path: Path, node: Any) -> None:
    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    with BagWriter(tmp_path / "in") as writer:
        for topic in ("/words", "/1st-words"):
            writer.add_topic(topic, STRING)
            writer.write(topic, START, message(STRING, data="x"))
    with BagReader(tmp_path / "in") as bag:
        assert set(BagReplayer(node, bag).report.sent) == {"/words"}
        named = BagReplayer(node, bag, remap={"/1st-words": "/first"})
        assert set(named.report.sent) == {"/words", "/first"}
        with pytest.raises(HmaDepthError, match="'/1st-words' cannot be the name of a topic"):
            BagReplayer(node, bag, topics=["/1st-words"])


def test_clock_runs_with_the_bag(small_bag: Path, tmp_path: Path, node: Any) -> None:
    from rosgraph_msgs.msg import Clock

    from hma_depth_ros.ros.bag_tools.replayer import BagReplayer

    times: list[int] = []
    node.create_subscription(
        Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec), 1000
    )
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    with BagReader(small_bag) as bag:
        replayer = BagReplayer(node, bag, topics=["/words"], clock_rate=500.0)
        assert replayer.play(rate=0.1, stop=threading.Event())
    deadline = time.monotonic() + TIMEOUT
    while START + 80 * MILLISECOND not in times and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert times == sorted(times)
    # With every message, and between them: 800 ms at 500 Hz, of which a busy machine keeps a few.
    assert {START + i * 20 * MILLISECOND for i in range(5)} <= set(times)
    assert len(times) > 25


def test_the_recorder_takes_what_a_publisher_offers(tmp_path: Path, node: Any) -> None:
    from rclpy.qos import QoSProfile, QoSReliabilityPolicy
    from std_msgs.msg import String

    publisher = node.create_publisher(
        String, "/loose", QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    )
    node.create_timer(0.05, lambda: publisher.publish(String(data="x")))
    recorded = _record(node, tmp_path / "loose", "/loose", least=3)
    assert len(recorded) >= 3
    with BagReader(tmp_path / "loose") as bag:
        assert bag.topics["/loose"].qos[0].reliability.name == "BEST_EFFORT"


@pytest.mark.parametrize(
    ("offers", "reliability", "durability"),
    [
        (["loose"], "BEST_EFFORT", "VOLATILE"),
        (["firm", "loose"], "RELIABLE", "VOLATILE"),
        (["latched"], "RELIABLE", "TRANSIENT_LOCAL"),
    ],
)
def test_the_recorder_takes_what_publishers_offer_that_come_later(
    tmp_path: Path, node: Any, offers: list[str], reliability: str, durability: str
) -> None:
    from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
    from rclpy.serialization import deserialize_message
    from std_msgs.msg import String

    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest

    profiles = {
        "firm": QoSProfile(depth=10),
        "loose": QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT),
        "latched": QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL),
    }
    stop = threading.Event()
    texts: set[str] = set()
    with BagWriter(tmp_path / "late") as bag:
        write = bag.write_raw

        def note(topic: str, stamp: int, cdr: bytes) -> None:
            texts.add(deserialize_message(cdr, String).data)
            write(topic, stamp, cdr)

        bag.write_raw = note  # type: ignore[assignment, method-assign]
        recorder = BagRecorder(node, bag, [TopicRequest("/late", STRING)])
        run = {"stop": stop, "on_connected": lambda: None}
        recording = threading.Thread(target=recorder.run, kwargs=run)
        recording.start()
        try:
            for offer in offers:
                publisher = node.create_publisher(String, "/late", profiles[offer])
                deadline = time.monotonic() + TIMEOUT
                while offer not in texts:
                    assert time.monotonic() < deadline, f"nothing of {offer}"
                    publisher.publish(String(data=offer))
                    time.sleep(0.02)
        finally:
            stop.set()
            recording.join()
    with BagReader(tmp_path / "late") as reader:
        (qos,) = reader.topics["/late"].qos
        assert (qos.reliability.name, qos.durability.name) == (reliability, durability)


def test_a_message_lies_where_it_arrived_and_not_before_its_predecessor(
    tmp_path: Path, node: Any
) -> None:
    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest

    second = 10**9
    begin = time.time_ns()
    with BagWriter(tmp_path / "times") as bag:
        recorder = BagRecorder(node, bag, [TopicRequest("/times", STRING)])
        for number, ago in enumerate((30, 10, 20, None, 0)):
            arrived = 0 if ago is None else begin - ago * second
            # The sender's clock is an hour behind.
            info: Any = {"received_timestamp": arrived, "source_timestamp": begin - 3600 * second}
            cdr = TYPESTORE.serialize_cdr(message(STRING, data=str(number)), STRING)
            recorder._write("/times", bytes(cdr), info)
        recorder._latest["/times"] += 3600 * second  # and that of this machine is set back
        recorder._write("/times", bytes(cdr), info)
        end = time.time_ns()
    with BagReader(tmp_path / "times") as reader:
        found = [(int(reader.decode(raw).data), raw.stamp) for raw in reader.messages()]
    assert [number for number, _ in found] == [0, 1, 2, 3, 4, 4]
    stamps = [stamp for _, stamp in found]
    assert stamps[:3] == [begin - 30 * second, begin - 10 * second, begin - 10 * second]
    assert all(begin <= stamp <= end for stamp in stamps[3:])


def test_topics_without_a_message_are_explained(tmp_path: Path, node: Any, elsewhere: Any) -> None:
    from std_msgs.msg import Bool, String

    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest

    elsewhere.create_publisher(String, "/mute", 1)
    elsewhere.create_publisher(Bool, "/other", 1)
    _wait_for_publishers(node, "/mute", "/other")
    stop = threading.Event()
    stop.set()
    requests = ["/mute", f"/other:{STRING}", f"/alone:{STRING}", "/nobody"]
    with BagWriter(tmp_path / "silent") as bag:
        recorder = BagRecorder(node, bag, [TopicRequest.parse(text) for text in requests])
        recorder.run(stop=stop, on_connected=lambda: None)
        assert bag.counts == {"/mute": 0, "/other": 0, "/alone": 0}
    assert recorder.silent == {
        "/mute": "nothing arrived",
        "/other": "what is published there is std_msgs/msg/Bool",
        **{"/alone": "no publisher appeared", "/nobody": "no publisher appeared"},
    }


def test_swapped_topics_are_swapped_once(tmp_path: Path, node: Any) -> None:
    """ROS remaps every name that it is given."""
    from std_msgs.msg import String

    from hma_depth_ros.ros.background import served
    from hma_depth_ros.ros.bag_tools.back_pressure import BackPressure

    rules = [f"/{old}:=/{new}" for old, new in ("ab", "ba", "cd", "dc")]
    arguments = ["--ros-args", *(word for rule in rules for word in ("-r", rule))]
    swapping = rclpy.create_node("swapping", context=node.context, cli_args=arguments)
    for name in ("/a", "/b"):
        publisher = node.create_publisher(String, name, 10)
        node.create_timer(0.05, lambda p=publisher: p.publish(String(data=p.topic_name)))
    with served(node):
        recorded = _record(swapping, tmp_path / "out", "/a", f"/b:{STRING}", least=20)
    assert {(topic, text.data) for topic, text in recorded} == {("/a", "/a"), ("/b", "/b")}
    (waiting,) = BackPressure(swapping, {"/eye": "/c"}, timeout=TIMEOUT)._subscriptions
    assert waiting.topic == waiting._subscription.topic_name == "/d"
    swapping.destroy_node()


def test_a_middleware_need_not_count_what_is_lost(
    tmp_path: Path, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rclpy import event_handler
    from std_msgs.msg import String

    make = event_handler.EventHandler.__init__

    def unsupported(self: Any, *, event_type: Any, **options: Any) -> None:
        if event_type.name == "RCL_SUBSCRIPTION_MESSAGE_LOST":
            raise event_handler.UnsupportedEventTypeError("not in this middleware")
        make(self, event_type=event_type, **options)

    monkeypatch.setattr(event_handler.EventHandler, "__init__", unsupported)
    publisher = node.create_publisher(String, "/uncounted", 10)
    node.create_timer(0.05, lambda: publisher.publish(String(data="x")))
    recorded = _record(node, tmp_path / "uncounted", "/uncounted")
    assert {message.data for _, message in recorded} == {"x"}


def test_what_has_arrived_is_written_when_the_recording_is_stopped(
    tmp_path: Path, node: Any
) -> None:
    from rclpy.duration import Duration
    from std_msgs.msg import String

    from hma_depth_ros.ros.bag_tools.recorder import BagRecorder, TopicRequest

    publisher = node.create_publisher(String, "/queued", 100)
    stop = threading.Event()
    stop.set()
    with BagWriter(tmp_path / "queued") as bag:
        recorder = BagRecorder(node, bag, [TopicRequest("/queued")])
        deadline = time.monotonic() + TIMEOUT
        while not (recorder.connected and publisher.get_subscription_count()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for index in range(30):
            publisher.publish(String(data=str(index)))
        assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT))
        recorder.run(stop=stop, on_connected=lambda: None)
        assert bag.counts == {"/queued": 30}
    with BagReader(tmp_path / "queued") as reader:
        assert [reader.decode(m).data for m in reader.messages()] == [str(i) for i in range(30)]


@pytest.mark.parametrize("name", ["replay_bag", "record_bag", "accuracy_monitor"])
def test_what_is_given_without_effect_is_said(
    name: str, small_bag: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    file = tmp_path / "some.yaml"
    file.write_text("somebody:\n  ros__parameters: {rate: 2.0}\n")
    lidar = "lidar_to_camera:=[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]"
    own = {
        "replay_bag": [small_bag, "--wait-for-subscribers"],
        "record_bag": ["/nothing:std_msgs/msg/String", "--output", tmp_path / "out"],
        "accuracy_monitor": [],
    }[name]
    ros = ["--ros-args", "--params-file", file, "-p", "duration:=1.0", "-p", lidar]
    process = _command(name, *own, *ros)
    processes.append(process)
    assert process.stderr is not None
    said = [process.stderr.readline() for _ in range(2)]
    assert "no parameter of this node, and without effect: " in said[0]
    option = "duration (an option: --duration, before --ros-args)"
    assert (option if name != "accuracy_monitor" else "duration.") in said[0]
    assert f"{file}: nothing in it has effect" in said[1]
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == 0


def test_ros_arguments_are_told_from_a_commands_own() -> None:
    from hma_depth_ros.ros.ros_session import split_ros_args

    own, ros = split_ros_args(["bag", "--remap", "/a:=/b"])
    assert (own, ros) == (["bag", "--remap", "/a:=/b"], [])
    own, ros = split_ros_args(["bag", "--ros-args", "-r", "a:=b", "--", "--loop"])
    assert (own, ros) == (["bag", "--loop"], ["--ros-args", "-r", "a:=b"])


def test_message_types_must_be_written_out() -> None:
    from std_msgs.msg import String

    from hma_depth_ros.ros.bag_tools.message_class import message_class

    assert message_class(STRING) is String
    assert message_class("std_msgs/msg/Nothing") is None
    assert message_class("no_such_package/msg/String") is None
    with pytest.raises(HmaDepthError, match="'std_msgs/String'; write it as PACKAGE/msg/NAME"):
        message_class("std_msgs/String")
