"""The cloud is the depth image's back-projection, laid out as the tools of ROS expect it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CameraInfo, PointCloud2

from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor

from .conftest import StartBench
from .graph import (
    CAMERA,
    HEIGHT,
    WIDTH,
    Bench,
    colors_of,
    image_message,
    info_message,
    noise,
    pixels_of,
    points_of,
    rgb_message,
)

LAYOUTS = {"padded": (32, 16), "packed": (16, 12)}  # point_step, offset of rgb


def by_formula(depth: npt.NDArray[np.float32], info: CameraInfo) -> npt.NDArray[np.float64]:
    """X = (u - cx) Z / fx, Y = (v - cy) Z / fy, of P, with integer pixels (depth_image_proc)."""
    (fx, _, cx, _), (_, fy, cy, _) = info.p.reshape(3, 4)[:2]
    z = np.where(np.isfinite(depth), depth.astype(float), np.nan)
    v, u = np.indices(depth.shape)
    return np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], axis=-1)


def check_points(outputs: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Compare the published points with the published depth and camera_info; return them."""
    message: PointCloud2 = outputs["points"]
    info = outputs["depth/camera_info"]
    depth = pixels_of(outputs["depth/image"])
    assert message.header == info.header == outputs["depth/image"].header
    assert (message.height, message.width) == depth.shape, "organised"
    assert message.is_dense is False
    points = points_of(message)
    np.testing.assert_allclose(points, by_formula(depth, info), rtol=2e-6, atol=1e-6)
    camera = PinholeCamera.from_projection(info.p, width=info.width, height=info.height)
    np.testing.assert_array_equal(points, back_project(depth, camera))
    return points


def listening(start: StartBench, *more: str, **parameters: Any) -> Bench:
    bench = start(**parameters)
    bench.listen("depth/image", "depth/camera_info", "points", *more)
    return bench


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout(start: StartBench, layout: str):
    outputs = listening(start, cloud_layout=layout).infer(rgb_message(1), info_message())
    points = check_points(outputs)
    assert np.isfinite(points).all()
    assert np.ptp(points[..., 2]) > 1

    message = outputs["points"]
    point_step, rgb_offset = LAYOUTS[layout]
    assert message.point_step == point_step
    assert message.is_bigendian is False
    offsets = {field.name: field.offset for field in message.fields}
    assert offsets == {"x": 0, "y": 4, "z": 8, "rgb": rgb_offset}
    np.testing.assert_array_equal(colors_of(message), noise())

    words = np.frombuffer(message.data, "<u4").reshape(-1, point_step // 4)
    padding = [c for c in range(point_step // 4) if 4 * c not in offsets.values()]
    assert not words[:, padding].any()


def test_no_points_outside_the_region(start: StartBench):
    left, top, width, height = region = [7, 5, 50, 30]
    points = check_points(listening(start, region=region).infer(rgb_message(1), info_message()))
    seen = np.zeros((HEIGHT, WIDTH), bool)
    seen[top : top + height, left : left + width] = True
    assert np.isfinite(points[seen]).all()
    assert np.isnan(points[~seen]).all()


def test_no_points_beyond_the_range(start: StartBench):
    bench = listening(start, edge_filter=0.0)
    depth = pixels_of(bench.infer(rgb_message(1), info_message())["depth/image"])
    limit = float(np.median(depth))
    assert bench.set(max_range=limit).successful
    outputs = bench.infer(rgb_message(2))
    limited = pixels_of(outputs["depth/image"])
    far = depth > limit
    assert 0.3 < far.mean() < 0.7
    assert np.isposinf(limited[far]).all()
    np.testing.assert_array_equal(limited[~far], depth[~far])
    points = check_points(outputs)
    assert np.isnan(points[far]).all()
    assert np.isfinite(points[~far]).all()


def test_at_the_networks_size(start: StartBench):
    bench = listening(start, resolution="network", region=[7, 5, 50, 30])
    points = check_points(bench.infer(rgb_message(1), info_message()))
    assert points.shape == (32, 48, 3)  # 30 x 50 at the network's width of 48: 29 rows, stretched
    assert np.isfinite(points).all()


def test_the_message_is_made_anew_when_the_size_changes(start: StartBench):
    bench = listening(start)
    check_points(bench.infer(rgb_message(1), info_message()))
    smaller = PinholeCamera(40.0, 40.0, 20.0, 15.0, width=40, height=30)
    image = image_message(noise(30, 40), "rgb8", number=2)
    check_points(bench.infer(image, info_message(smaller)))
    outputs = bench.infer(rgb_message(3), info_message(CAMERA, number=3))
    check_points(outputs)
    np.testing.assert_array_equal(colors_of(outputs["points"]), noise())


def test_sensor_msgs_py_reads_it(start: StartBench):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    outputs = listening(start).infer(rgb_message(1), info_message())
    cloud = point_cloud2.read_points(outputs["points"]).reshape(HEIGHT, WIDTH)
    points = np.stack([cloud[axis] for axis in "xyz"], axis=-1)
    np.testing.assert_array_equal(points, points_of(outputs["points"]))


def test_confidence_and_what_it_leaves_of_the_points(start: StartBench, uncertain_checkpoint: Path):
    """All of it live: the next frame has it."""
    bench = listening(start, "confidence", checkpoint=str(uncertain_checkpoint), edge_filter=0.0)
    first = bench.infer(rgb_message(1), info_message())
    check_points(first)
    sure, depth = pixels_of(first["confidence"]), pixels_of(first["depth/image"])
    expected = DepthPredictor.from_checkpoint(uncertain_checkpoint, device="cpu").predict(
        noise(), CAMERA, outputs={"confidence"}
    )
    assert expected.confidence is not None
    np.testing.assert_allclose(sure, expected.confidence, atol=1e-6)
    assert first["confidence"].header == first["depth/image"].header
    limits = {
        "min_confidence": float(np.quantile(sure, 0.3)),
        "min_range": float(np.quantile(depth, 0.3)),
        "cloud_stride": 3,
    }
    assert bench.set(**limits).successful
    outputs = bench.infer(rgb_message(2))
    np.testing.assert_array_equal(pixels_of(outputs["depth/image"]), depth)
    kept = (sure >= limits["min_confidence"]) & (depth >= limits["min_range"])
    points, all_points = points_of(outputs["points"]), points_of(first["points"])
    assert points.shape[:2] == (-(-HEIGHT // 3), -(-WIDTH // 3))
    assert 0.2 < kept[::3, ::3].mean() < 0.8
    np.testing.assert_array_equal(np.isfinite(points[..., 2]), kept[::3, ::3])
    np.testing.assert_allclose(
        points[kept[::3, ::3]], all_points[::3, ::3][kept[::3, ::3]], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(colors_of(outputs["points"]), noise()[::3, ::3])


def test_points_between_surfaces_are_left_out(start: StartBench):
    bench = listening(start, edge_filter=25.0)
    found = points_of(bench.infer(rgb_message(1), info_message())["points"])
    assert bench.set(edge_filter=0.0).successful
    every = points_of(bench.infer(rgb_message(2))["points"])
    assert np.isfinite(every).all()
    z = every[..., 2].astype(float)
    rise = z / (CAMERA.fx * np.tan(np.radians(25.0)))
    across, down = np.abs(np.diff(z, axis=1)), np.abs(np.diff(z, axis=0))
    slope = np.zeros(z.shape, bool)
    slope[:, 1:-1] |= (across[:, :-1] > rise[:, 1:-1]) & (across[:, 1:] > rise[:, 1:-1])
    slope[1:-1] |= (down[:-1] > rise[1:-1]) & (down[1:] > rise[1:-1])
    assert 0.05 < slope.mean() < 0.95
    assert (np.isnan(found[..., 2]) == slope).mean() > 0.999


def test_a_network_without_an_estimate_has_no_confidence(start: StartBench):
    bench = start()
    assert "confidence" not in bench.camera.outputs.publishers
