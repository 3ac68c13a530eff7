"""Where a LiDAR is by tf2, which wheels do not have: a stand-in says what it was asked."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time as Stamp
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
    place = LidarTransform.from_tf(SimpleNamespace())
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


def test_parameters_know_of_no_motion() -> None:
    place = LidarTransform.fixed(np.eye(4))
    np.testing.assert_array_equal(place.between(header(1, "a"), header(2, "b")), np.eye(4))
    assert place.report()["scans moved to the image's time"] == "0 of 1"
