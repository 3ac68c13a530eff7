"""Large best-effort images of another process arrive, all of them, with the shipped profile.

Fast DDS as it comes delivers one or two of 40. Asserted is what the transport does, so the node's
queue is made long enough for a machine that is busy with other things.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sensor_msgs.msg import Image

from hma_depth_ros.assets import asset
from hma_depth_ros.cli import run
from hma_depth_ros.ros.depth_node import node
from hma_depth_ros.ros.transport import (
    fast_dds,
    large_message_cure,
    profile_environment,
    transport_note,
    use_large_message_profile,
)

from .conftest import StartBench
from .graph import DEADLINE, Bench, until

FRAMES, HERTZ = 40, 15
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@contextmanager
def camera(topic: str, width: int, height: int) -> Iterator[subprocess.Popen[str]]:
    """Start the publisher's process."""
    script = Path(__file__).with_name("image_publisher.py")
    arguments = [topic, *map(str, (width, height, FRAMES, HERTZ))]
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, **profile_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
        process.communicate("\n", timeout=DEADLINE)
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
    topic = bench.camera.image_topic()
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
        statistics = bench.camera.statistics
        until(lambda: FRAMES in seen, "the depth of the last image")
        assert statistics.arrived == FRAMES
    until(
        lambda: statistics.processed + sum(statistics.dropped.values()) == FRAMES, "the last figure"
    )
    assert set(statistics.dropped) <= {"replaced by a newer frame"}


def reliable(bench: Bench, topic: str) -> bool:
    (info,) = bench.tester.get_publishers_info_by_topic(topic)
    return info.qos_profile.reliability.name == "RELIABLE"


@pytest.fixture
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the shell of a user who has set nothing, with plenty of shared memory."""
    for name in (*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS", "SKIP_DEFAULT_XML_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shared_memory(monkeypatch, free=1 << 30)


def shared_memory(monkeypatch: pytest.MonkeyPatch, *, free: int) -> None:
    usage = shutil.disk_usage("/")._replace(total=1 << 30, free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)


#: What is installed here, by rclpy's version: Jazzy's is 7, Kilted's 9.
IS_JAZZY = int(version("rclpy").split(".")[0]) < 9
NUMBER = "2" if IS_JAZZY else ""
PROFILE_VARIABLE = PROFILE_VARIABLES[not IS_JAZZY]

# Prints how the profile is chosen, and the bytes of the largest segment of a node's shared memory.
PARTICIPANT = r"""
import os, re, rclpy
from hma_depth_ros.ros.transport import use_large_message_profile

use_large_message_profile()
print(*sorted(f"{k}={v}" for k, v in os.environ.items() if k.endswith("_DEFAULT_PROFILES_FILE")))
rclpy.init()
node = rclpy.create_node("participant")
segment = r"^(\w+)-(\w+) .*/dev/shm/fast(?:dds|rtps)_[0-9a-f]{16}$"
maps = re.findall(segment, open("/proc/self/maps").read(), re.M)
print(max((int(end, 16) - int(begin, 16) for begin, end in maps), default=0))
node.destroy_node()
rclpy.shutdown()
"""


def participant(*prefix: str, **variables: str) -> tuple[str, int, str]:
    """Run it, alone in its graph, as a user who has set these; variables, bytes, stderr."""
    clean = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", PARTICIPANT],
        env={**clean, "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    profile, size = done.stdout.splitlines()
    return profile, int(size), done.stderr


@pytest.mark.parametrize("distribution", ["humble", "jazzy", "kilted", "lyrical", ""])
def test_the_loaded_library_decides_and_not_ros_distro(distribution: str):
    """Fast DDS refuses a profile of the other version altogether, and says so on stderr."""
    profile, size, errors = participant(ROS_DISTRO=distribution)
    assert profile == f"{PROFILE_VARIABLE}={asset(f'fastdds{NUMBER}_large_messages.xml')}"
    assert size >= 64 << 20
    assert errors == ""


def test_builtin_transports_of_the_user_are_left_alone():
    profile, size, errors = participant(FASTDDS_BUILTIN_TRANSPORTS="UDPv4")
    assert profile == ""
    assert size == 0
    assert errors == ""


@pytest.mark.usefixtures("nothing_chosen")
@pytest.mark.parametrize("variable", [*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"])
def test_what_the_user_has_chosen_stays(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "")  # is nothing chosen
    assert profile_environment() == {
        PROFILE_VARIABLE: str(asset(f"fastdds{NUMBER}_large_messages.xml"))
    }
    monkeypatch.setenv(variable, "/my/profile.xml")
    before = dict(os.environ)
    use_large_message_profile()
    assert dict(os.environ) == before
    assert f"as chosen by {variable}; large images may be lost" in str(transport_note())


@pytest.mark.usefixtures("nothing_chosen")
def test_a_profile_in_the_current_folder_is_the_users_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = "DEFAULT_FASTRTPS_PROFILES.xml" if IS_JAZZY else "DEFAULT_FASTDDS_PROFILES.xml"
    (tmp_path / name).write_text("<dds/>")
    assert profile_environment() == {}
    monkeypatch.setenv("SKIP_DEFAULT_XML_FILE", "1")  # Fast DDS does not read it then
    assert PROFILE_VARIABLE in profile_environment()


@pytest.mark.usefixtures("nothing_chosen")
def test_other_middlewares_are_told_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert fast_dds() == (2 if IS_JAZZY else 3)
    assert f"{PROFILE_VARIABLE}=/" in large_message_cure()
    monkeypatch.setattr("rclpy.get_rmw_implementation_identifier", lambda: "rmw_cyclonedds_cpp")
    assert fast_dds() is None
    assert profile_environment() == {}
    assert large_message_cure() == ""
    assert run(["transport_profile"]) == 2
    output = capsys.readouterr()
    assert (output.out, len(output.err.splitlines())) == ("", 1)
    assert "does not run on Fast DDS" in output.err


@pytest.mark.usefixtures("nothing_chosen")
@pytest.mark.parametrize(
    ("free", "kind"), [((256 << 20) - 1, "small_shared_memory"), (256 << 20, "large_messages")]
)
def test_the_segment_fits_the_shared_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: int, kind: str
):
    shared_memory(monkeypatch, free=free)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    use_large_message_profile()
    assert os.environ[PROFILE_VARIABLE] == str(asset(f"fastdds{NUMBER}_{kind}.xml"))
    said = capsys.readouterr().err
    assert said.count("\n") == (kind == "small_shared_memory")
    assert ("/dev/shm has 1074 MB, 268 of them free" in said) == bool(said)
    assert ("--shm-size" in said) == bool(said)
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert (transport_note() or "") == said.rstrip()  # the demo's console


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root")
def test_a_container_with_64_megabytes_has_shared_memory():
    """Of the large segment Fast DDS says there that shared memory is not supported."""
    mount = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
    unshare = ("unshare", "--mount", "--propagation", "private")
    if subprocess.run([*unshare, "bash", "-c", mount, "-", "true"], check=False).returncode:
        pytest.skip("this container may not mount")
    profile, size, errors = participant(*unshare, "bash", "-c", mount, "-")
    assert profile.endswith(f"fastdds{NUMBER}_small_shared_memory.xml")
    assert 8 << 20 <= size < 10 << 20
    assert errors.startswith("/dev/shm has 67 MB, 67 of them free")
    assert errors.count("\n") == 1


def content(name: str) -> list[tuple[str, str]]:
    root = ElementTree.parse(asset(name)).getroot()
    return [
        (e.tag.partition("}")[2].replace("_", "").lower(), (e.text or "").strip())
        for e in root.iter()
    ]


@pytest.mark.parametrize(
    ("kind", "segment", "message"), [("large_messages", 64, 16), ("small_shared_memory", 8, 4)]
)
def test_the_profiles_of_both_say_the_same(kind: str, segment: int, message: int):
    """Fast DDS 3 writes elements as heartbeat_period, Fast DDS 2 as heartbeatPeriod."""
    new, old = content(f"fastdds_{kind}.xml"), content(f"fastdds2_{kind}.xml")
    assert new == old
    sizes = {"segmentsize": str(segment << 20), "maxmessagesize": str(message << 20)}
    assert dict(new).items() >= sizes.items()
    large = content("fastdds_large_messages.xml")
    assert [p for p in new if p[0] not in sizes] == [p for p in large if p[0] not in sizes]


def test_tune_malloc_is_taken_at_start(start: StartBench, monkeypatch: pytest.MonkeyPatch):
    calls = []

    def without_mallopt() -> bool:
        calls.append("tuned")
        return False

    monkeypatch.setattr(node, "tune_malloc", without_mallopt)
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
