"""Pinhole cameras through crop and resize; back-projection."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from hma_depth_ros.geometry.backprojection import back_project, project
from hma_depth_ros.geometry.camera import PinholeCamera

KITTI = PinholeCamera(721.5377, 721.5377, 609.5593, 172.854, 1242, 375)


def test_projection_matrix_is_read_row_by_row_without_its_baseline():
    p = [721.5, 0, 609.6, 44.9, 0, 720.5, 172.9, 0.2, 0, 0, 1, 0.003]
    camera = PinholeCamera.from_projection(p, width=1242, height=375)
    assert camera == PinholeCamera(721.5, 720.5, 609.6, 172.9, 1242, 375)


def test_resizing_keeps_a_ray_through_the_same_scene_point():
    """The image's corners, half a pixel outside the outer pixel centres, stay on their rays."""
    half = KITTI.resize(width=621, height=200)
    for u, v in itertools.product((-0.5, KITTI.width - 0.5), (-0.5, KITTI.height - 0.5)):
        u_half = (u + 0.5) * 621 / 1242 - 0.5
        v_half = (v + 0.5) * 200 / 375 - 0.5
        assert (u - KITTI.cx) / KITTI.fx == pytest.approx((u_half - half.cx) / half.fx, abs=1e-12)
        assert (v - KITTI.cy) / KITTI.fy == pytest.approx((v_half - half.cy) / half.fy, abs=1e-12)


def test_resizing_there_and_back_is_the_same_camera():
    back = KITTI.resize(width=640, height=193).resize(width=1242, height=375)
    assert back.matrix == pytest.approx(KITTI.matrix)


def test_a_crop_moves_the_principal_point_alone():
    cropped = KITTI.crop(left=13, top=23, width=1216, height=352)
    assert cropped == replace(KITTI, cx=609.5593 - 13, cy=172.854 - 23, width=1216, height=352)


def test_resizing_agrees_with_opencv():
    """A bright dot of the camera's ray lands where OpenCV's resize puts it."""
    image = np.zeros((375, 1242), np.float32)
    image[198:204, 801:807] = 1.0  # whole pixels of the small image
    small = cv2.resize(image, (414, 125), interpolation=cv2.INTER_AREA)
    camera = KITTI.resize(width=414, height=125)

    def centre_ray(picture: np.ndarray, c: PinholeCamera) -> tuple[float, float]:
        v, u = np.indices(picture.shape)
        weight = picture / picture.sum()
        return float(((u - c.cx) / c.fx * weight).sum()), float(((v - c.cy) / c.fy * weight).sum())

    assert centre_ray(small, camera) == pytest.approx(centre_ray(image, KITTI), abs=1e-5)


def test_back_projection_is_the_pinhole_formula():
    depth = np.array([[1.0, np.nan, 4.0], [np.inf, 2.0, 8.0]], np.float32)
    camera = PinholeCamera(2.0, 4.0, 1.0, 0.5, 3, 2)
    points = back_project(depth, camera)
    assert points.dtype == np.float32
    assert points[0, 0].tolist() == [-0.5, -0.125, 1.0]
    assert points[1, 2].tolist() == [4.0, 1.0, 8.0]
    assert np.isnan(points[0, 1]).all()
    assert np.isnan(points[1, 0]).all()


def test_projection_inverts_back_projection():
    random = np.random.default_rng(0)
    depth = random.uniform(1, 80, (375, 1242)).astype(np.float32)
    pixels = project(back_project(depth, KITTI), KITTI)
    v, u = np.indices(depth.shape)
    assert np.abs(pixels[..., 0] - u).max() < 1e-3
    assert np.abs(pixels[..., 1] - v).max() < 1e-3
    assert np.isnan(project(np.array([[0.0, 0.0, -1.0]]), KITTI)[0, :2]).all()


@pytest.mark.parametrize("bad", [{"fx": 0.0}, {"fy": -1.0}, {"cx": np.nan}, {"width": 0}])
def test_impossible_cameras_are_refused(bad: dict[str, float]):
    values = {"fx": 1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0, "width": 4, "height": 4}
    with pytest.raises(ValueError, match="not a"):
        PinholeCamera(**(values | bad))  # type: ignore[arg-type]


def test_depth_of_another_size_is_refused():
    with pytest.raises(ValueError, match="depth is 4x3"):
        back_project(np.ones((3, 4), np.float32), KITTI)
