"""`view --live`: the topics of a running node, as a recording."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.context import Context
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

from hma_depth_ros.messages.compressed_depth import compressed_depth
from hma_depth_ros.messages.stamps import header_stamp
from hma_depth_ros.ros.ros_session import StopRequest
from hma_depth_ros.viewer import live_moments

from .conftest import StartBench
from .graph import DEADLINE, DEEP, header, image_message, info_message, rgb_message, until

WATCHED = (
    "depth/image/compressedDepth",
    "depth/camera_info",
    *(f"attention/scale_{scale}" for scale in (8, 4, 2, 1)),
)
FRAMES = 10
#: Entities of a recording with one row for each image.
PICTURES = ("/image", "/depth", "/attention", *(f"/masks/{index}" for index in range(4)))


def test_a_running_node_is_recorded_until_a_signal(start: StartBench, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="needs rerun-sdk: pip install rerun-sdk")
    bench = start()
    bench.publish(info_message())
    saved = tmp_path / "live.rrd"
    view = [sys.executable, "-m", "hma_depth_ros", "view", "--live", "--save", str(saved)]
    with subprocess.Popen(
        [*view, "--ros-args", "-r", f"__ns:={bench.namespace}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            bench.wait_for_listeners(*WATCHED)
            until(lambda: bench.image_publisher.get_subscription_count() == 2, "the view's image")
            for number in range(1, FRAMES + 1):
                processed = bench.camera.statistics.snapshot().processed
                bench.publish(rgb_message(number, seed=number))
                until(
                    lambda n=processed: bench.camera.statistics.snapshot().processed > n,  # type: ignore[misc]
                    "a frame's end",
                )
                time.sleep(
                    0.2
                )  # the view shows the latest frame, and leaves out what it is late for
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    images = int(re.findall(rf"{saved}: (\d+) images", out)[0])
    assert 2 <= images <= FRAMES
    rows = recorded_rows(saved)
    assert {entity: rows.get(entity) for entity in PICTURES} == dict.fromkeys(PICTURES, images)
    # The first frame may be shown before its camera_info has come.
    assert rows["/world/camera/cloud"] >= images - 1


def recorded_rows(saved: Path) -> dict[str, int]:
    """Rows of each entity, as Rerun's own program counts them."""
    command = [sys.executable, "-m", "rerun_cli", "rrd", "print", "-v", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows: dict[str, int] = {}
    for count, entity in re.findall(r"with (\d+) rows? \([^)]*\) - (/\S+)", done.stdout):
        rows[entity] = rows.get(entity, 0) + int(count)
    return rows


def test_a_frame_that_cannot_be_shown_ends_nothing(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp that message_filters raises for, then masks of several sizes; the next is shown."""

    class Strict(live_moments.TimeSynchronizer):  # type: ignore[misc, name-defined]
        def _add(self, message: Any, queue: Any) -> None:
            Time.from_msg(message.header.stamp)  # as message_filters' own
            super()._add(message, queue)

    monkeypatch.setattr(live_moments, "TimeSynchronizer", Strict)
    stop = StopRequest()
    names = {"context": context, "namespace": "/odd_view", "use_global_arguments": False}
    tester, viewer = Node("tester", **names), Node("depth_view", **names)
    late = threading.Timer(DEADLINE, stop.set)
    late.start()
    try:
        kinds = {
            "image": Image,
            "depth/image/compressedDepth": CompressedImage,
            "attention/scale_8": Image,
            "attention/scale_1": Image,
        }
        publishers = {t: tester.create_publisher(k, t, DEEP) for t, k in kinds.items()}
        for topic in kinds:
            until(lambda t=f"/odd_view/{topic}": viewer.count_publishers(t), topic)  # type: ignore[misc]
        watched = live_moments._Watched(viewer, stop)
        for publisher in publishers.values():
            until(publisher.get_subscription_count, publisher.topic_name)
        depth = np.full((4, 6), 5, np.float32)
        before = rgb_message()
        before.header.stamp.sec = -1
        publishers["image"].publish(before)
        for number, shape in ((1, (2, 3)), (2, (4, 6))):
            form, data = compressed_depth(depth)
            coarse = np.ones(shape, np.float32)
            weights = {"attention/scale_8": coarse, "attention/scale_1": depth}
            publishers["image"].publish(rgb_message(number))
            compressed = CompressedImage(header=header(number), format=form, data=list(data))
            publishers["depth/image/compressedDepth"].publish(compressed)
            for topic, values in weights.items():
                publishers[topic].publish(image_message(values, "32FC1", number=number))
        moment = next(iter(watched))
        assert moment.stamp == header_stamp(rgb_message(2))
        assert moment.masks is not None
        assert moment.masks.shape == (2, 4, 6)
    finally:
        late.cancel()
        for node in (tester, viewer):
            node.destroy_node()
