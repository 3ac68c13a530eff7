"""depth/camera_info describes depth/image: stamp, frame, size, and every crop and resize."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor

from .conftest import NETWORK_WIDTH, StartBench
from .graph import (
    CAMERA,
    HEIGHT,
    WIDTH,
    info_message,
    noise,
    pixels_of,
    rgb_message,
    until,
)

REGION = [7, 5, 50, 30]  # left, top, width, height


def changed(
    values: list[float], columns: int, corner: tuple[int, int], scale: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """K (3 columns) or P (4) after cropping at (left, top) and resizing by `scale`, by hand."""
    left, top = corner
    m = np.array(values).reshape(3, columns).copy()
    m[0, 2] -= left
    m[1, 2] -= top
    # Resizing maps borders onto borders; pixel centres are at integers: u' = (u + 0.5) s - 0.5.
    m[0, 2] = (m[0, 2] + 0.5) * scale[0] - 0.5
    m[1, 2] = (m[1, 2] + 0.5) * scale[1] - 0.5
    for row in range(2):
        m[row, row] *= scale[row]
        if columns == 4:
            m[row, 3] *= scale[row]
    return m


def outputs(start: StartBench, image: Image, info: CameraInfo, **parameters):
    bench = start(**parameters)
    bench.listen("depth/image", "depth/camera_info")
    result = bench.infer(image, info)
    depth, info = result["depth/image"], result["depth/camera_info"]
    assert info.header == depth.header == image.header
    assert (info.width, info.height) == (depth.width, depth.height)
    assert (info.binning_x, info.binning_y, info.roi) == (0, 0, RegionOfInterest())
    return depth, info


def test_k_stands_in_for_a_p_of_zeros(start: StartBench):
    """Of a camera without distortion or rotation, as calibrated by hand; P is filled in."""
    k = [CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1]
    bare = CameraInfo(header=info_message().header, width=WIDTH, height=HEIGHT, k=k)
    full = CameraInfo(header=bare.header, width=WIDTH, height=HEIGHT, k=k, r=np.eye(3).ravel())
    full.p = np.insert(np.reshape(k, (3, 3)), 3, 0, axis=1).ravel()
    results = []
    for info in (full, bare):
        bench = start(resolution="network")
        bench.listen("depth/image", "depth/camera_info", "points")
        results.append(bench.infer(rgb_message(1), info))
        assert bench.said() == []
    expected, found = results
    np.testing.assert_array_equal(
        pixels_of(found["depth/image"]), pixels_of(expected["depth/image"])
    )
    assert found["points"].data == expected["points"].data
    np.testing.assert_array_equal(found["depth/camera_info"].p, expected["depth/camera_info"].p)
    assert found["depth/camera_info"].p[0] > 0


@pytest.mark.parametrize("region", [[0, 0, 0, 0], REGION])
def test_at_the_images_size_nothing_changes(start: StartBench, region: list[int]):
    """Not to the last bit, even where the network sees a part of the image only."""
    info = info_message(number=1)
    depth, found = outputs(start, rgb_message(1), info, region=region)
    assert (depth.width, depth.height) == (WIDTH, HEIGHT)
    assert found == info


@pytest.mark.parametrize("region", [[0, 0, 0, 0], REGION])
def test_k_and_p_follow_crop_and_resize(start: StartBench, region: list[int]):
    info = info_message(number=0.5)
    depth, found = outputs(start, rgb_message(1), info, region=region, resolution="network")
    left, top, width, height = region if region[2] else (0, 0, WIDTH, HEIGHT)
    assert depth.width == NETWORK_WIDTH
    assert round(height * NETWORK_WIDTH / width) == 29
    assert depth.height == 32  # stretched, and told by fy
    scale = (depth.width / width, depth.height / height)
    np.testing.assert_allclose(
        found.k.reshape(3, 3), changed(info.k, 3, (left, top), scale), rtol=1e-12
    )
    # P's last row, (0, 0, 1, 0.002), adds 0.002 times the shift of the principal point.
    np.testing.assert_allclose(
        found.p.reshape(3, 4), changed(info.p, 4, (left, top), scale), atol=0.02
    )
    np.testing.assert_allclose(
        found.p.reshape(3, 4)[:, :3], changed(info.p, 4, (left, top), scale)[:, :3], rtol=1e-12
    )
    np.testing.assert_array_equal(found.r, info.r)
    assert (found.d, found.distortion_model) == (info.d, info.distortion_model)


def test_the_same_calibration_serves_every_frame(start: StartBench):
    bench = start(resolution="network")
    bench.listen("depth/camera_info")
    first = bench.infer(rgb_message(1), info_message())["depth/camera_info"]
    second = bench.infer(rgb_message(2))["depth/camera_info"]
    np.testing.assert_array_equal(first.p, second.p)
    assert (first.width, first.height) == (second.width, second.height)


def test_an_empty_k_stays_empty(start: StartBench):
    """KITTI odometry bags carry a good P only."""
    info = info_message()
    info.k, info.d = np.zeros(9), []
    _, found = outputs(start, rgb_message(1), info, resolution="network")
    assert not np.any(found.k)
    assert found.p[0] == pytest.approx(info.p[0] * NETWORK_WIDTH / WIDTH)


@pytest.mark.parametrize("resolution", ["image", "network"])
def test_binning_and_region_of_interest_are_folded_in(
    start: StartBench, predictor: DepthPredictor, resolution: Literal["image", "network"]
):
    """As in image_geometry: the window is cut out of the full image, then binned."""
    full = PinholeCamera(fx=120.0, fy=90.0, cx=80.0, cy=60.0, width=200, height=150)
    info = info_message(full)
    info.binning_x, info.binning_y = 2, 3
    info.roi = RegionOfInterest(x_offset=20, y_offset=10, width=2 * WIDTH, height=3 * HEIGHT)
    depth, found = outputs(start, rgb_message(1), info, resolution=resolution)

    folded = PinholeCamera(60.0, 30.0, (80 - 20) / 2, (60 - 10) / 3, WIDTH, HEIGHT)
    expected = DepthPredictor(predictor.engine, predictor.info, resolution=resolution)
    prediction = expected.predict(noise(), folded)
    np.testing.assert_array_equal(pixels_of(depth), prediction.depth)

    camera = prediction.camera
    assert camera is not None
    p = found.p.reshape(3, 4)
    np.testing.assert_allclose(p[:, :3], camera.matrix, rtol=1e-12)
    # The baseline's column, -31.5 = -fx * baseline, shrinks with fx; see above for the 0.002.
    assert p[0, 3] == pytest.approx(-31.5 * camera.fx / full.fx, abs=0.2)
    k = found.k.reshape(3, 3)
    assert k[0, 0] == pytest.approx(info.k[0] * camera.fx / full.fx)
    assert k[1, 2] - camera.cy == pytest.approx(-2 * camera.fy / full.fy)


def test_p_counts_and_not_k(start: StartBench, predictor: DepthPredictor):
    """K of the usual message has one and a half times P's focal length."""
    depth, _ = outputs(start, rgb_message(1), info_message())
    np.testing.assert_array_equal(pixels_of(depth), predictor.predict(noise(), CAMERA).depth)
    unscaled = predictor.predict(noise()).depth
    assert unscaled is not None
    ratio = CAMERA.fx * NETWORK_WIDTH / WIDTH / 40.0
    np.testing.assert_allclose(pixels_of(depth), unscaled * ratio, rtol=1e-6)


def test_what_a_size_needs_on_a_gpu_is_built_when_the_calibration_tells_it(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    """And not in the first frame; here the CPU's engine counts as one that builds."""
    prepared: list[tuple[tuple[int, int], PinholeCamera | None]] = []
    usual = DepthPredictor.prepare

    def prepare(
        self: Any, size: tuple[int, int], camera: PinholeCamera | None = None, *, together: int
    ) -> None:
        usual(self, size, camera, together=together)
        assert together == 1
        prepared.append((size, camera))

    monkeypatch.setattr(DepthPredictor, "prepare", prepare)
    other = start()
    other.listen("depth/image")
    other.infer(rgb_message(1), info_message())
    assert prepared == []
    monkeypatch.setattr(DepthPredictor, "builds_for_size", True)
    boundless = info_message()
    boundless.width = boundless.height = 65535
    boundless.p = [5e4, 0.0, 3e4, 0.0, 0.0, 5e4, 3e4, 0.0, 0.0, 0.0, 1.0, 0.0]
    waiting = start()
    waiting.publish(boundless)
    until(lambda: waiting.camera.input.pairing.latest is not None, "its arrival")
    assert waiting.change("deactivate")
    assert prepared == []  # before an image shows that it is so
    bench = start()
    bench.publish(info_message())
    until(lambda: bool(prepared), "the preparation")
    assert prepared == [((CAMERA.height, CAMERA.width), CAMERA)]
    bench.listen("depth/image")
    outputs = bench.infer(rgb_message(1), info_message())
    assert pixels_of(outputs["depth/image"]).shape == (CAMERA.height, CAMERA.width)
    assert len(prepared) == 1
    assert bench.change("deactivate"), "also while it still waits for a calibration"


def test_a_preparation_that_fails_does_not_end_the_worker(
    start: StartBench, monkeypatch: pytest.MonkeyPatch
):
    """As where a GPU's memory is not enough for what would be faster; the images go on."""

    def prepare(*_: Any, **__: Any) -> None:
        raise RuntimeError("there is no room for it")

    monkeypatch.setattr(DepthPredictor, "builds_for_size", True)
    monkeypatch.setattr(DepthPredictor, "prepare", prepare)
    bench = start()
    bench.listen("depth/image")
    bench.publish(info_message())
    assert "Traceback" in bench.hears("there is no room for it", level=40)
    bench.infer(rgb_message(1))
    assert bench.camera.statistics.failed.total() == 0
