"""The cloud is the depth image's back-projection, laid out as the tools of ROS expect it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import CameraInfo, PointCloud2

from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera

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


def listening(start: StartBench, **parameters: Any) -> Bench:
    bench = start(**parameters)
    bench.listen("depth/image", "depth/camera_info", "points")
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
    bench = listening(start)
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
    assert points.shape == (29, 48, 3)  # 30 x 50 at the network's width of 48
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
