"""The scale of depth by the camera's height above the road."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.road_scale import (
    LEAST_FRAMES,
    WINDOW,
    HeightScale,
    ScaleSmoother,
    scale_by_height,
)

CAMERA = PinholeCamera(360.0, 350.0, 300.0, 90.0, 621, 187)
WALL = 12.0


def street(
    mount: Mount, camera: PinholeCamera = CAMERA, *, wall: float = WALL
) -> npt.NDArray[np.float32]:
    """Depth (H, W) of a flat road with a wall across it, 12 m ahead."""
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    below = (y * np.cos(mount.pitch) + np.sin(mount.pitch)) / mount.height
    depth = 1 / np.maximum(below, 1 / wall)
    return np.repeat(depth[:, None], camera.width, axis=1).astype(np.float32)


@pytest.mark.parametrize("mount", [Mount(), Mount(2.2, 0.07), Mount(1.2, -0.03)])
@pytest.mark.parametrize("scale", [0.55, 1.0, 1.9])
def test_a_wrong_scale_of_a_plane_is_found(mount: Mount, scale: float) -> None:
    depth = street(mount)
    depth[110:, 200:330] *= 0.6  # a car
    depth[:, 460:] = np.nan
    found = scale_by_height(depth / np.float32(scale), CAMERA, mount)
    assert found is not None
    assert found.scale == pytest.approx(scale, rel=0.01)
    assert 0.4 < found.share < 0.75


def test_a_road_alone_is_exact() -> None:
    mount = Mount(2.2, 0.3)
    found = scale_by_height(street(mount, wall=80.0) / np.float32(1.2), CAMERA, mount)
    assert found is not None
    assert (found.scale, found.share) == pytest.approx((1.2, 1.0), rel=1e-5)


def test_pixels_that_are_not_square_and_large_images() -> None:
    camera, mount = PinholeCamera(900.0, 1100.0, 970.0, 500.0, 1920, 1080), Mount(2.2, 0.1)
    depth = street(mount, camera)
    depth += depth * np.random.default_rng(0).normal(0, 0.04, depth.shape).astype(np.float32)
    found = scale_by_height(depth / np.float32(1.3), camera, mount)
    assert found is not None
    assert found.scale == pytest.approx(1.3, rel=0.01)


def test_what_is_no_road_says_nothing() -> None:
    random = np.random.default_rng(0)
    shape = (CAMERA.height, CAMERA.width)
    for metres in (4.0, 6.0, 10.0):
        assert scale_by_height(np.full(shape, metres, np.float32), CAMERA, Mount()) is None
    noise = random.uniform(2, 30, shape).astype(np.float32)
    assert scale_by_height(noise, CAMERA, Mount()) is None
    for nothing in (np.nan, np.inf, 0.0):
        assert scale_by_height(np.full(shape, nothing, np.float32), CAMERA, Mount()) is None
    hidden = street(Mount())
    hidden[:, 250:] = np.nan
    assert scale_by_height(hidden, CAMERA, Mount()) is None
    sky = Mount(1.65, -0.5)  # looks up: no row sees the road
    assert scale_by_height(street(Mount()), CAMERA, sky) is None


def test_the_limit() -> None:
    depth = street(Mount()) / np.float32(1.5)
    assert scale_by_height(depth, CAMERA, Mount(), limit=1.6) is not None
    assert scale_by_height(depth, CAMERA, Mount(), limit=1.4) is None
    assert scale_by_height(street(Mount()) * np.float32(1.5), CAMERA, Mount(), limit=1.4) is None


def test_over_time_the_median_counts() -> None:
    smoother = ScaleSmoother()
    smoother.add(None)
    assert smoother.smoothed() is None
    assert smoother.factor == 1
    for number in range(LEAST_FRAMES):
        assert smoother.factor == 1
        # Depth that was corrected already says what is left of the scale.
        applied = 1.0 + number
        smoother.add(HeightScale(1.2 / applied, 0.6), applied=applied)
        smoother.add(None)
    assert smoother.factor == pytest.approx(1.2)
    for _ in range(LEAST_FRAMES - 1):
        smoother.add(HeightScale(1.9, 0.8))  # a lorry ahead
    assert smoother.factor == pytest.approx(1.2)
    found = smoother.smoothed()
    assert found is not None
    assert found.frames == 2 * LEAST_FRAMES - 1
    assert found.spread == pytest.approx(0.35)
    assert found.share == pytest.approx((LEAST_FRAMES * 0.6 + (LEAST_FRAMES - 1) * 0.8) / 9)
    assert (smoother.frames, smoother.roads) == (3 * LEAST_FRAMES, 2 * LEAST_FRAMES - 1)
    for _ in range(WINDOW):
        smoother.add(HeightScale(0.9, 0.7))
    assert smoother.factor == pytest.approx(0.9)
