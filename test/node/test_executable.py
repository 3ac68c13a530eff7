"""The node as a process: `python3 -m hma_depth_ros depth_node --ros-args ...`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from rclpy.context import Context
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image

from hma_depth_ros.inference.predictor import DepthPredictor

from .graph import (
    CAMERA,
    DEADLINE,
    DEEP,
    Spinner,
    info_message,
    noise,
    pixels_of,
    rgb_message,
    start_stand_in,
    until,
    write_yaml,
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hma_depth_ros", "depth_node", "--ros-args", *arguments]


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_process_from_start_to_two_ctrl_c(
    context: Context, checkpoint: Path, predictor: DepthPredictor, tmp_path: Path
):
    parameters = write_yaml(
        tmp_path / "depth.yaml",
        f"""
        /**:
          ros__parameters:
            checkpoint: {checkpoint}
            device: cpu
            lockstep: true
            stale_after: 0.0  # no camera runs here until the node is asked to end
        """,
    )
    received: list[Image] = []
    tester = Node("tester", context=context, namespace="/car", use_global_arguments=False)
    images = tester.create_publisher(Image, "/cam/image_raw", DEEP)
    infos = tester.create_publisher(CameraInfo, "camera_info", DEEP)
    tester.create_subscription(Image, "depth/image", received.append, DEEP)
    spinner = Spinner(tester)
    arguments = ("--params-file", parameters, "-r", "__ns:=/car", "-r", "image:=/cam/image_raw")
    before = set(Path("/dev/shm").iterdir())
    try:
        with running(*arguments) as process:
            until(images.get_subscription_count, "the node's process", seconds=3 * DEADLINE)
            until(infos.get_subscription_count, "its second subscription")
            infos.publish(info_message())
            knock(images, received)
            for number in range(1, 6):
                images.publish(rgb_message(number))
            until(lambda: received and received[-1].header.stamp.sec == 5, "the last depth image")
            assert [m.header.stamp.sec for m in received if m.header.stamp.sec] == [1, 2, 3, 4, 5]
            expected = predictor.predict(noise(), CAMERA).depth
            assert expected is not None
            for message in received:
                assert message.header.frame_id == "camera_optical"
                np.testing.assert_allclose(
                    pixels_of(message), expected, rtol=1e-2
                )  # bf16, if there is
            segments = shared_memory(process.pid) - before
            with busy(images):
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=DEADLINE)
    finally:
        spinner.stop()
        tester.destroy_node()
    assert process.returncode == 0, errors
    odd = [line for line in errors.splitlines() if "[INFO]" not in line]
    # A tester that a busy machine keeps waiting for seconds is a silent camera.
    assert [line for line in odd if "/cam/image_raw: " not in line] == []
    # Fast DDS removes them with the participant, not with the process.
    assert left_behind(segments) == []


def shared_memory(pid: int) -> set[Path]:
    """Files of Fast DDS that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split()[-1]) for line in lines if "/dev/shm/fast" in line}


def left_behind(segments: set[Path]) -> list[Path]:
    """Those that are still there and nobody's: others are of nodes of the tests beside this one."""
    used: set[Path] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            used |= shared_memory(int(process.name))
    return sorted(file for file in segments - used if file.exists())


@contextmanager
def busy(images: Publisher) -> Iterator[None]:
    """Publish frames all the time."""
    end = threading.Event()

    def publish() -> None:
        while not end.wait(0.002):
            images.publish(rgb_message(6))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_sigterm_while_the_network_is_loaded(tmp_path: Path):
    before = set(Path("/dev/shm").iterdir())
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start_stand_in("endless", tmp_path, "-r", "__ns:=/endless", **streams) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            segments = shared_memory(process.pid) - before
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert (process.returncode, output, errors) == (0, "", "")
    assert left_behind(segments) == [], "it was cut off, and did not end"


def knock(images: Publisher, received: list[Image]) -> None:
    """Send frames of stamp 0 until an answer comes: then the node knows its listener."""

    def answered() -> bool:
        images.publish(rgb_message(0))
        time.sleep(0.1)
        return bool(received)

    until(answered, "the first depth image")


def test_a_bad_parameter_is_one_line_and_status_2():
    done = subprocess.run(
        command("-p", "max_range:=80"), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("depth_node: parameter max_range: ")
    assert "expecting type 'DOUBLE'" in line
