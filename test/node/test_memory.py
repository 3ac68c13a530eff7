"""Memory does not grow with the number of frames."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch
from sensor_msgs.msg import Image, PointCloud2

from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.network.model import ScaleMaps

from .conftest import StartBench
from .graph import TYPES, info_message, rgb_message, until

FRAMES, WARM_UP = 2000, 500
IN_FLIGHT = 8


@pytest.fixture
def constant_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network runs once: its memory is PyTorch's affair, and its time is most of a frame's."""
    maps: list[ScaleMaps] = []
    infer = TorchEngine.__call__

    def once(self: TorchEngine, *inputs: torch.Tensor) -> ScaleMaps:
        if not maps:
            maps.append(infer(self, *inputs))
        return maps[0]

    monkeypatch.setattr(TorchEngine, "__call__", once)


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.long
@pytest.mark.usefixtures("constant_engine")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_stays(start: StartBench):
    bench = start(lockstep=True, diagnostics_period=60.0)
    count = dict.fromkeys(TYPES, 0)

    def counting(topic: str):
        def receive(_: Image | PointCloud2) -> None:
            count[topic] += 1

        return receive

    for topic, kind in TYPES.items():
        bench.tester.create_subscription(kind, topic, counting(topic), 2 * IN_FLIGHT)
    bench.wait_for_listeners(*TYPES)
    bench.publish(info_message())
    after_warm_up = 0
    for number in range(1, FRAMES + 1):
        bench.publish(rgb_message(number))
        until(lambda n=number: min(count.values()) >= n - IN_FLIGHT, f"frame {number}")  # type: ignore[misc]
        if number == WARM_UP:
            after_warm_up = resident_bytes()
    until(lambda: set(count.values()) == {FRAMES}, "the last frame")
    grown = resident_bytes() - after_warm_up
    # One image kept per frame would be 10 MB, one depth image 14 MB, one cloud 108 MB.
    print(f"{grown / 1e6:.2f} MB more after {FRAMES - WARM_UP} frames")
    assert grown < 4e6, f"{grown / 1e6:.1f} MB more after {FRAMES - WARM_UP} frames"
