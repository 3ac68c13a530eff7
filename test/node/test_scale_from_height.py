"""The scale by the camera's height: said always, applied on request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.bags.transforms import Transforms
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.road_scale import LEAST_FRAMES, HeightScale
from hma_depth_ros.ros.depth_node import height_correction
from hma_depth_ros.ros.depth_node.ground_frame import GroundFrame
from hma_depth_ros.ros.depth_node.height_correction import UNAPPLIED_EVERY

from .conftest import StartBench
from .graph import Bench, info_message, pixels_of, points_of, rgb_message, until

#: What the road says of the network's own depth; and that depth's median, of the same image.
SCALE = 1.3
KEY = "scale from height"


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mount, float]]:
    """Depth of a network that knows no road, as if it did: its median is where it should not be."""
    asked: list[tuple[Mount, float]] = []
    first: list[float] = []

    def said(depth: Any, camera: Any, mount: Mount, *, limit: float) -> HeightScale:
        median = float(np.nanmedian(depth))
        first.append(median)
        asked.append((mount, limit))
        return HeightScale(SCALE * first[0] / median, 0.7)

    monkeypatch.setattr(height_correction, "scale_by_height", said)
    return asked


def until_said(bench: Bench, figures: dict[str, str]) -> None:
    """Wait for diagnostics with these values."""
    until(lambda: figures.items() <= bench.figures().items(), f"{figures} in the diagnostics")


def test_depth_and_cloud_follow_the_height_only_if_asked(
    start: StartBench, road: list[tuple[Mount, float]]
) -> None:
    bench = start(camera_height=2.2, camera_pitch=0.1, height_scale_limit=1.5)
    bench.listen("depth/image", "points")
    bench.publish(info_message())
    number = 0

    def depth() -> Any:
        nonlocal number
        number += 1
        found = bench.infer(rgb_message(number))
        pixels = pixels_of(found["depth/image"])
        z = points_of(found["points"])[..., 2]
        seen = np.isfinite(z)
        np.testing.assert_allclose(z[seen], pixels[seen], rtol=1e-5)
        return pixels

    first = depth()
    for _ in range(UNAPPLIED_EVERY):
        np.testing.assert_array_equal(depth(), first)
    looked_at = {f"{KEY}: frames with a road": "2 of 2", f"{KEY}: applied": "1.000"}
    few = f"1.300 (of {LEAST_FRAMES} frames at least)"
    until_said(bench, {KEY: few, f"{KEY}: inliers": "0.70", **looked_at})
    assert road == [(Mount(2.2, 0.1), 1.5)] * 2, "the first frame and the eleventh"

    assert bench.set(scale_from_height=True).successful  # each frame counts from now on
    for _ in range(LEAST_FRAMES - 2):
        np.testing.assert_array_equal(depth(), first)
    for _ in range(4):  # what is left of the scale is 1 now
        np.testing.assert_allclose(depth(), SCALE * first, rtol=1e-5)
    until_said(bench, {KEY: "1.300", f"{KEY}: applied": "1.300"})
    assert bench.set(camera_height=1.65).successful  # all is true of another mount
    np.testing.assert_array_equal(np.isfinite(depth()), np.isfinite(first))
    until_said(bench, {f"{KEY}: applied": "1.000"})
    assert bench.set(scale_from_height=False).successful


def test_the_cloud_alone_is_enough(start: StartBench, road: list[tuple[Mount, float]]) -> None:
    bench = start(cloud_stride=2)
    bench.listen("points")
    bench.publish(info_message())
    bench.infer(rgb_message(1))
    until_said(bench, {KEY: f"{SCALE:.3f} (of {LEAST_FRAMES} frames at least)"})


def test_masks_alone_compute_no_depth_for_it(
    start: StartBench, road: list[tuple[Mount, float]]
) -> None:
    bench = start(scale_from_height=True)
    bench.listen("attention/scale_8")
    bench.publish(info_message())
    bench.infer(rgb_message(1))
    assert road == []


def test_without_tf2_msgs_the_ground_frame_is_an_error(start: StartBench) -> None:
    bench = start(autostart=False, ground_frame="base_footprint")
    assert bench.change("configure")
    assert not bench.change("activate")
    bench.hears("ground_frame:=base_footprint needs tf2_msgs")


# --- the ground's frame -----------------------------------------------------------------------


def transform(parent: str, child: str, xyz: tuple[float, float, float], q: Any) -> Any:
    vector = dict(zip("xyz", xyz, strict=True))
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=parent),
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(**vector),
            rotation=SimpleNamespace(**dict(zip("xyzw", q, strict=True))),
        ),
    )


def test_height_and_pitch_by_tf() -> None:
    """base_footprint -> base_link -> camera, looking 0.1 rad down -> its optical frame."""
    ground = GroundFrame("base_footprint", Transforms())
    with pytest.raises(HmaDepthError, match="no transform from eye to base_footprint"):
        ground.mount("eye")
    down = (0.0, np.sin(0.05), 0.0, np.cos(0.05))
    ground.add(
        SimpleNamespace(
            transforms=[
                transform("base_footprint", "base_link", (0.0, 0.0, 0.4), (0.0, 0.0, 0.0, 1.0)),
                transform("base_link", "camera", (1.0, 0.2, 1.3), down),
                transform("camera", "eye", (0.0, 0.0, 0.0), (-0.5, 0.5, -0.5, 0.5)),
            ]
        )
    )
    mount = ground.mount("eye")
    assert mount.height == pytest.approx(1.7)
    assert mount.pitch == pytest.approx(0.1)
    assert ground.mount("eye") is mount
    with pytest.raises(HmaDepthError, match=r"is 0\.00 m above base_footprint"):
        ground.mount("base_footprint")
