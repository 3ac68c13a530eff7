"""Which points go into the cloud, and what the confidence is that they are chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import laplace, norm

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.cloud_filter import ALL_POINTS, CloudFilter
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.error_estimate import confidence

FX = 720.0
CAMERA = PinholeCamera(fx=180.0, fy=160.0, cx=70.3, cy=30.9, width=151, height=76)


def left_out(depth: np.ndarray, cloud_filter: CloudFilter, *, fx: float = FX) -> np.ndarray:
    before = torch.from_numpy(depth.astype(np.float32))
    found = cloud_filter.of(before, None, fx, limited=True)
    assert np.array_equal(before, depth.astype(np.float32), equal_nan=True), (
        "the depth image is another"
    )
    return np.isnan(found.numpy())


@pytest.mark.parametrize("across", [False, True])
def test_points_between_a_near_and_a_far_thing_are_left_out(across: bool):
    """A slope of two pixels from 5 to 20 m, as bilinear enlarging draws a boundary."""
    row = np.array([5.0] * 6 + [9.0, 15.0] + [20.0] * 6)
    depth = np.tile(row, (8, 1))
    expected = np.tile((row > 5) & (row < 20), (8, 1))
    if across:
        depth, expected = depth.T, expected.T
    assert np.array_equal(left_out(depth, CloudFilter(min_angle=1.0)), expected)
    assert not left_out(depth, ALL_POINTS).any()


def test_a_sharp_step_loses_nothing():
    depth = np.tile([5.0] * 6 + [20.0] * 6, (8, 1))
    assert not left_out(depth, CloudFilter(min_angle=5.0)).any()


@pytest.mark.parametrize(("angle", "metres"), [(1.0, 94.5), (2.0, 47.2)])
def test_the_road_is_kept_as_far_as_the_angle_says(angle: float, metres: float):
    """From 1.65 m it is seen at 1 degree at 94.5 m: tan(1 degree) = 1.65 / 94.5."""
    v = np.arange(8.0, 300)
    road = np.tile((FX * 1.65 / v)[:, None], (1, 5))
    lost = left_out(road, CloudFilter(min_angle=angle))[1:-1]
    # Neighbouring rows differ by d / v, and d / v > d / (f tan a) means v < f tan a.
    assert road[1:-1][lost].min() == pytest.approx(metres, rel=0.15)
    assert road[1:-1][~lost].max() == pytest.approx(metres, rel=0.15)


def test_ranges_and_infinite_depth():
    depth = np.tile([2.0, 3.0, 3.001, 50.0, np.inf, np.nan], (4, 1))
    lost = left_out(depth, CloudFilter(min_range=3.0))[0]
    assert lost.tolist() == [True, False, False, False, True, True]


def test_a_confidence_that_is_no_number_is_not_enough():
    sure = torch.tensor([[0.9, 0.2, torch.nan]])
    kept = CloudFilter(min_confidence=0.5).of(torch.ones(1, 3), sure, 100.0, limited=False)
    assert kept.isnan().tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    "wrong", [{"stride": 0}, {"min_range": -1.0}, {"min_angle": 90.0}, {"min_confidence": 1.5}]
)
def test_values_that_mean_nothing_are_refused(wrong: dict[str, float]):
    with pytest.raises(HmaDepthError):
        CloudFilter(**wrong)  # type: ignore[arg-type]


def test_confidence_is_the_laplace_distribution_s():
    """With as much of it within sigma as of a Gaussian."""
    for sigma in (0.02, 0.1, 0.4, 3.0):
        scale = sigma / laplace.ppf(norm.cdf(1))  # its quantile at one Gaussian sigma
        expected = laplace.cdf(np.log(1.25), scale=scale) - laplace.cdf(-np.log(1.25), scale=scale)
        assert float(confidence(torch.tensor(sigma))) == pytest.approx(expected, rel=1e-3)


def image() -> np.ndarray:
    size = (CAMERA.height, CAMERA.width, 3)
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


@pytest.mark.parametrize("resolution", ["image", "network"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_cloud_is_the_depth_image_s(uncertain_checkpoint: Path, stride: int, resolution: str):
    """Every n-th pixel of it, with colour; others and less confident ones are NaN."""
    pixels = image()
    predictor = DepthPredictor.from_checkpoint(
        uncertain_checkpoint,
        device="cpu",
        resolution=resolution,  # type: ignore[arg-type]
    )
    usual = predictor.predict(pixels, CAMERA)
    near, doubtful = (float(np.quantile(v, 0.3)) for v in (usual.depth, usual.confidence))  # type: ignore[arg-type]
    predictor.cloud_filter = CloudFilter(stride=stride, min_range=near, min_confidence=doubtful)
    found = predictor.predict(pixels, CAMERA)
    assert found.cloud is not None
    assert found.depth is not None
    assert found.confidence is not None
    assert found.uncertainty is not None
    assert found.camera is not None
    assert found.points is not None
    size = predictor.cloud_size((CAMERA.height, CAMERA.width))
    assert found.cloud.shape[:2] == size == tuple(-(-n // stride) for n in found.depth.shape)
    expected = back_project(found.depth, found.camera)[::stride, ::stride]
    kept = ((found.depth >= near) & (found.confidence >= doubtful))[::stride, ::stride]
    assert 0.2 < kept.mean() < 0.8, "both leave points out"
    assert np.array_equal(np.isfinite(found.points[..., 2]), kept)
    np.testing.assert_allclose(found.points[kept], expected[kept], rtol=1e-5, atol=1e-5)
    if resolution == "image":
        packed = np.ascontiguousarray(found.cloud[..., 4]).view(np.uint32)
        red, green, blue = np.moveaxis(pixels[::stride, ::stride].astype(np.uint32), -1, 0)
        assert np.array_equal(packed, red << 16 | green << 8 | blue)
    else:
        again = confidence(torch.from_numpy(found.uncertainty)).numpy()
        np.testing.assert_allclose(found.confidence, again, atol=1e-6)


def test_grey_and_four_channels_are_thinned_too(uncertain_checkpoint: Path):
    predictor = DepthPredictor.from_checkpoint(
        uncertain_checkpoint, device="cpu", cloud_filter=CloudFilter(stride=2)
    )
    rgb = image()
    bgra = np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 9, np.uint8)])
    grey = rgb[..., 0]
    for pixels, kind, shown in (
        (np.ascontiguousarray(bgra), PixelFormat.BGRA, rgb),
        (np.ascontiguousarray(grey), PixelFormat.MONO, np.repeat(grey[..., None], 3, -1)),
    ):
        found = predictor.predict(pixels, CAMERA, pixel_format=kind, outputs={"points"})
        assert found.cloud is not None
        packed = np.ascontiguousarray(found.cloud[..., 4]).view(np.uint32)
        red, green, blue = np.moveaxis(shown[::2, ::2].astype(np.uint32), -1, 0)
        assert np.array_equal(packed, red << 16 | green << 8 | blue)
        assert found.depth is None
        assert found.confidence is None
