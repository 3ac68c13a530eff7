"""ROS from start to shutdown, and what waits meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.depth_node.image_input import OVERRUN
from hma_depth_ros.ros.depth_node.node import DepthNode
from hma_depth_ros.ros.patience import GivenUpError, all_acknowledged, unless
from hma_depth_ros.ros.ros_session import StopRequest, start_ros
from hma_depth_ros.ros.spin import spin

from .conftest import Predictions
from .graph import DEADLINE, DEEP, rgb_message, until

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--bogus"], "UnknownROSArgsError: ['--bogus']"),
        (["--params-file", "/no/such.yaml"], "'--params-file /no/such.yaml'. Error: Error opening"),
        (["-r", "__ns:=/1st"], "Couldn't parse remap rule: '-r __ns:=/1st'"),
        (["--log-level", "loud"], "Couldn't parse log level: '--log-level loud'"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(HmaDepthError) as caught:
        start_ros(["node", "--ros-args", *arguments], context=Context())
    message = str(caught.value)
    assert message.startswith("ROS does not start: ")
    assert complaint in message
    assert "\n" not in message
    assert ".c:" not in message, "a place in ROS's sources is of no use"
    assert capfd.readouterr().err == "", "rcl says the same once more"


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [("abc", "ROS_DOMAIN_ID is not an integral number"), ("233", "ROS_DOMAIN_ID=233 is more than")],
)
def test_a_wrong_domain_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], domain: str, complaint: str
):
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    with pytest.raises(HmaDepthError, match=complaint):
        start_ros(context=Context())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("given", "level"), [("", "UNSET"), ("--log-level rcl:=error", "ERROR")])
def test_rcl_logs_as_ever_once_it_has_started(given: str, level: str):
    code = (
        "import sys; from rclpy.logging import get_logger_level; "
        "from hma_depth_ros.ros.ros_session import start_ros; "
        "start_ros(sys.argv); print(get_logger_level('rcl').name)"
    )
    arguments = ["--ros-args", *given.split()] if given else []
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        timeout=120,
    )
    assert done.stdout == f"{level}\n"


@pytest.mark.parametrize("name", ["depth_node", "accuracy_monitor", "record_bag"])
def test_no_writable_home_is_one_line_with_the_cure(name: str, tmp_path: Path):
    arguments = ["/words", "--output", str(tmp_path / "bag")] if name == "record_bag" else []
    done = subprocess.run(
        [sys.executable, "-m", "hma_depth_ros", name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "HOME": "/proc/none", "ROS_LOG_DIR": "", "ROS_HOME": ""},
        cwd=REPOSITORY,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: ROS does not start: ")
    assert line.endswith("set ROS_LOG_DIR to a folder that can be written")
    assert list(tmp_path.iterdir()) == []


def test_a_request_to_stop_calls_once_and_at_once():
    calls: list[str] = []
    stop = StopRequest()
    stop.then(lambda: calls.append("before"))
    assert calls == []
    stop.set()
    stop.set()
    stop.then(lambda: calls.append("after"))
    assert calls == ["before", "after"]


@pytest.fixture
def own_context() -> Iterator[Context]:
    """One that a test may shut down."""
    context = Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.mark.parametrize("end", ["stop", "context"])
def test_a_node_without_anything_to_do_ends_at_once(own_context: Context, end: str):
    """It sleeps, and does not look every now and then whether it is to stop."""
    node = Node("idle", context=own_context, start_parameter_services=False)
    stop = StopRequest()
    spinner = threading.Thread(target=spin, args=(node, stop))
    spinner.start()
    until(lambda: node.executor, "the executor")
    time.sleep(0.2)
    assert spinner.is_alive()
    if end == "stop":
        stop.set()
    else:
        own_context.shutdown()
    spinner.join(DEADLINE)
    assert not spinner.is_alive()
    node.destroy_node()


def test_work_in_a_thread_is_given_up():
    begun, end, given_up = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        end.wait()

    def give_up() -> None:
        begun.wait()
        given_up.set()

    threading.Thread(target=give_up).start()
    with pytest.raises(GivenUpError):
        unless(given_up.is_set, work)
    end.set()


def test_work_in_a_thread_gives_its_result_or_error():
    main = threading.get_ident()
    assert unless(lambda: False, threading.get_ident) != main
    with pytest.raises(ZeroDivisionError):
        unless(lambda: False, lambda: 1 / 0)


def test_frames_are_dropped_quietly_once_the_context_is_gone(
    own_context: Context,
    checkpoint: Path,
    predictions: Predictions,
    capfd: pytest.CaptureFixture[str],
):
    """As by rclpy's own handler of Ctrl-C in a program that uses the node as a library."""
    overrides = {"checkpoint": str(checkpoint), "device": "cpu", "engine": "torch"}
    node: Any = DepthNode(
        context=own_context,
        namespace="/gone",
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    node.create_subscription(Image, "depth/image", lambda _: None, DEEP)
    images = node.create_publisher(Image, "image", DEEP)
    predictions.hold()
    spinner = threading.Thread(target=spin, args=(node, StopRequest()))
    spinner.start()
    until(images.get_subscription_count, "the subscription")

    def at_work() -> bool:
        images.publish(rgb_message(1))
        time.sleep(0.05)
        return bool(predictions.outputs)

    until(at_work, "a frame at the network")
    worker = node._loop.workers[0]
    capfd.readouterr()
    own_context.shutdown()
    spinner.join(DEADLINE)
    predictions.release()
    worker.join(DEADLINE)
    assert not worker.is_alive()
    node.destroy_node()
    statistics = node.cameras[0].statistics
    assert statistics.processed == 0
    assert set(statistics.dropped) <= {
        *("the node was stopped", "replaced by a newer frame", OVERRUN)
    }
    assert capfd.readouterr() == ("", "")


def test_acknowledgements_are_awaited_until_nobody_wants_to(context: Context):
    node = Node("publisher", context=context, namespace="/acknowledged")
    publisher = node.create_publisher(String, "words", DEEP)
    assert all_acknowledged(publisher, 0.0, given_up=lambda: False)  # nobody is there
    listener = node.create_subscription(String, "words", lambda _: None, DEEP)
    until(publisher.get_subscription_count, "the listener")
    publisher.publish(String(data="x"))
    assert all_acknowledged(publisher, DEADLINE, given_up=lambda: False)
    assert not all_acknowledged(publisher, DEADLINE, given_up=lambda: True)
    node.destroy_subscription(listener)
    node.destroy_node()
