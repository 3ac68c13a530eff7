"""Large best-effort images of another process arrive, all of them, with the shipped profile.

Fast DDS as it comes delivers one or two of 40. Asserted is what the transport does, so the node's
queue is made long enough for a machine that is busy with other things.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sensor_msgs.msg import Image

from hma_depth_ros.inference.bundled import asset
from hma_depth_ros.ros import depth_node
from hma_depth_ros.ros.transport import (
    PROFILE_VARIABLE,
    large_message_profile,
    use_large_message_profile,
)

from .conftest import StartBench
from .graph import Bench, until

FRAMES, HERTZ = 40, 15
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")


@contextmanager
def camera(topic: str, width: int, height: int) -> Iterator[subprocess.Popen[str]]:
    """Start the publisher's process."""
    script = Path(__file__).with_name("image_publisher.py")
    arguments = [topic, *map(str, (width, height, FRAMES, HERTZ))]
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, PROFILE_VARIABLE: str(large_message_profile())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.communicate("\n", timeout=30)
    finally:
        process.kill()
        process.wait()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(("width", "height"), [(1242, 375), (1920, 1080)])
def test_large_images_arrive(start: StartBench, width: int, height: int):
    bench = start(
        inputs={"publish": False}, **{"qos_overrides.{ns}/image.subscription.depth": FRAMES}
    )
    topic = bench.node.image_topic()
    seen: list[int] = []
    bench.tester.create_subscription(
        Image, "depth/image", lambda m: seen.append(m.header.stamp.sec), 1
    )
    bench.wait_for_listeners("depth/image")
    with camera(topic, width, height) as process:
        assert says(process) == "ready"
        until(lambda: bench.node.count_publishers(topic), "the camera at the node")
        assert not reliable(bench, topic), "the camera sends best effort"
        tell(process)
        assert says(process) == "sent"
        statistics = bench.node._statistics
        until(lambda: FRAMES in seen, "the depth of the last image")
        assert statistics.arrived == FRAMES
    until(
        lambda: statistics.processed + sum(statistics.dropped.values()) == FRAMES, "the last figure"
    )
    assert set(statistics.dropped) <= {"replaced by a newer frame"}


def reliable(bench: Bench, topic: str) -> bool:
    (info,) = bench.tester.get_publishers_info_by_topic(topic)
    return info.qos_profile.reliability.name == "RELIABLE"


def test_the_users_own_profile_stays(monkeypatch: pytest.MonkeyPatch):
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/my/profile.xml")
    use_large_message_profile()
    assert [os.environ.get(name) for name in PROFILE_VARIABLES] == [None, "/my/profile.xml"]
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE")
    use_large_message_profile()
    assert os.environ[PROFILE_VARIABLE] == str(large_message_profile())


@pytest.mark.parametrize(
    ("distribution", "file", "variable"),
    [
        ("jazzy", "fastdds2_large_messages.xml", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        ("kilted", "fastdds_large_messages.xml", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_the_distribution_decides(distribution: str, file: str, variable: str):
    code = "from hma_depth_ros.ros.transport import *; use_large_message_profile()"
    code += "; print(large_message_profile().name); print(os.environ[PROFILE_VARIABLE])"
    code += "; print(PROFILE_VARIABLE)"
    clean = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "ROS_DISTRO": distribution},
        capture_output=True,
        text=True,
        check=True,
    )
    name, path, known = done.stdout.split()
    assert (name, Path(path).name, known) == (file, file, variable)
    assert Path(path).is_file()


def test_the_profiles_of_both_say_the_same():
    """Fast DDS 3 writes elements as heartbeat_period, Fast DDS 2 as heartbeatPeriod."""

    def content(name: str) -> list[tuple[str, str]]:
        root = ElementTree.parse(asset(name)).getroot()
        return [
            (e.tag.partition("}")[2].replace("_", "").lower(), (e.text or "").strip())
            for e in root.iter()
        ]

    new, old = content("fastdds_large_messages.xml"), content("fastdds2_large_messages.xml")
    assert new == old
    assert ("segmentsize", str(64 << 20)) in new


def test_tune_malloc_is_taken_at_start(start: StartBench, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def without_mallopt() -> bool:
        calls.append("tuned")
        return False

    monkeypatch.setattr(depth_node, "tune_malloc", without_mallopt)
    start(autostart=False, inputs={"publish": False})
    assert calls == []
    bench = start(autostart=False, tune_malloc=True, inputs={"publish": False})
    assert calls == ["tuned"]
    bench.hears("tune_malloc: this C library has no mallopt")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_glibc_takes_both_thresholds():
    """In another process: the setting is for good."""
    code = "from hma_depth_ros.ros.transport import tune_malloc; assert tune_malloc()"
    subprocess.run([sys.executable, "-c", code], check=True)
