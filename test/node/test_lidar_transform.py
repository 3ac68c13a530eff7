"""Where a LiDAR is by tf2, which wheels do not have: a stand-in says what it was asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time as Stamp
from rclpy.clock import ROSClock
from rclpy.time import Time
from std_msgs.msg import Header

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.ros.accuracy.lidar_transform import LidarTransform


class UnknownError(Exception):
    """tf2's TransformException."""


class Buffer:
    """A car that drives 10 m a second along its x, as tf2 has it from 100 s on."""

    fixed = "odom"

    def lookup_transform(self, target: str, source: str, time: Time) -> SimpleNamespace:
        if target != "eye":
            raise UnknownError(f"{target} does not exist")
        return _moved(0.0)

    def lookup_transform_full(
        self, target: str, at: Time, source: str, source_time: Time, fixed: str
    ) -> SimpleNamespace:
        if target != "eye" or fixed != self.fixed or source_time.nanoseconds < 100 * 10**9:
            raise UnknownError("extrapolation")
        return _moved(1e-8 * (source_time.nanoseconds - at.nanoseconds))

    def clear(self) -> None:
        """Nothing of it moves."""


def _moved(metres: float) -> SimpleNamespace:
    translation = SimpleNamespace(x=metres, y=0.0, z=5.0)
    rotation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    return SimpleNamespace(transform=SimpleNamespace(translation=translation, rotation=rotation))


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = ModuleType("tf2_ros")
    module.Buffer, module.TransformException = Buffer, UnknownError
    module.TransformListener = lambda _buffer, _node: SimpleNamespace()
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return module


def header(seconds: float, frame: str) -> Header:
    whole = int(seconds)
    stamp = Stamp(sec=whole, nanosec=round(1e9 * (seconds - whole)))
    return Header(stamp=stamp, frame_id=frame)


def test_a_scan_is_moved_by_the_motion_between_it_and_its_image(
    tf2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LidarTransform.from_tf(SimpleNamespace(get_clock=ROSClock))
    assert place.report() == {}
    matrix = place.between(header(200.0, "eye"), header(200.04, "lidar"))
    np.testing.assert_allclose(matrix[:3, 3], [0.4, 0, 5], atol=1e-9)
    matrix = place.between(header(50.0, "eye"), header(50.02, "lidar"))  # before tf2's time
    np.testing.assert_allclose(matrix[:3, 3], [0, 0, 5])
    assert place.report() == {
        "time between image and scan": "30.0 ms, 40.0 at most",
        "scans moved to the image's time": "1 of 2",
    }
    monkeypatch.setattr(Buffer, "fixed", "map")
    matrix = place.between(header(200.0, "eye"), header(200.04, "lidar"))
    np.testing.assert_allclose(matrix[0, 3], 0.4, atol=1e-9)
    with pytest.raises(HmaDepthError, match="no transform from lidar to ear: ear does not exist"):
        monkeypatch.setattr(Buffer, "fixed", "")
        place.between(header(200.0, "ear"), header(200.0, "lidar"))


class LoopedBuffer(Buffer):
    """Takes and keeps transforms that move as tf2 does: none 10 s older than its latest."""

    def __init__(self) -> None:
        self.stamps: list[int] = []

    def set_transform(self, stamp: int) -> None:
        if not self.stamps or stamp >= max(self.stamps) - 10 * 10**9:
            self.stamps.append(stamp)

    def clear(self) -> None:
        self.stamps.clear()  # of the static ones, which `lookup_transform` knows, none

    def lookup_transform_full(
        self, target: str, at: Time, source: str, source_time: Time, fixed: str
    ) -> SimpleNamespace:
        known = self.stamps and min(self.stamps) <= at.nanoseconds <= max(self.stamps)
        if not known or fixed != self.fixed:
            raise UnknownError("extrapolation")
        return _moved(1e-8 * (source_time.nanoseconds - at.nanoseconds))


@pytest.fixture
def looped(tf2: Any) -> Callable[[ROSClock], tuple[LidarTransform, LoopedBuffer]]:
    """What knows the LiDAR's place, and its buffer, of a node with this clock."""

    def start(clock: ROSClock) -> tuple[LidarTransform, LoopedBuffer]:
        buffer = LoopedBuffer()
        tf2.Buffer = lambda: buffer
        return LidarTransform.from_tf(SimpleNamespace(get_clock=lambda: clock)), buffer

    return start


def drive(place: LidarTransform, buffer: LoopedBuffer, begin: int) -> list[float]:
    """Metres by which scans of one second are moved, each after a transform of its time."""
    moved = []
    for stamp in range(begin, begin + 10**9, 10**8):
        buffer.set_transform(stamp - 10**8)
        buffer.set_transform(stamp)
        image = header(stamp / 1e9, "eye")
        moved.append(place.between(image, header(stamp / 1e9 + 0.04, "lidar"))[0, 3])
    return moved


def test_motion_is_known_again_once_simulated_time_has_gone_back(looped: Any) -> None:
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    place, buffer = looped(clock)
    for begin in (200 * 10**9, 300 * 10**9, 20 * 10**9, 19 * 10**9):
        clock.set_ros_time_override(Time(nanoseconds=begin))
        assert drive(place, buffer, begin) == pytest.approx([0.4] * 10, abs=1e-6)
        # Of another run there is nothing that it could be mixed with.
        assert min(buffer.stamps) == (begin if begin != 300 * 10**9 else 200 * 10**9) - 10**8


def test_motion_is_known_again_once_a_replay_without_a_clock_begins_again(looped: Any) -> None:
    place, buffer = looped(ROSClock())
    assert drive(place, buffer, 200 * 10**9) == pytest.approx([0.4] * 10, abs=1e-6)
    # What came before the first image is forgotten with the rest.
    assert drive(place, buffer, 20 * 10**9) == pytest.approx([0.0] + [0.4] * 9, abs=1e-6)
    buffer.set_transform(205 * 10**8)
    swapped = header(20.85, "eye")  # two images that overtook each other: nothing is forgotten
    assert place.between(swapped, header(20.89, "lidar"))[0, 3] == pytest.approx(0.4, abs=1e-6)


def test_parameters_know_of_no_motion() -> None:
    place = LidarTransform.fixed(np.eye(4))
    np.testing.assert_array_equal(place.between(header(1, "a"), header(2, "b")), np.eye(4))
    assert place.report()["scans moved to the image's time"] == "0 of 1"
