"""`view --live`: the topics of a running node, as a recording."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import StartBench
from .graph import DEADLINE, info_message, rgb_message, until

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
