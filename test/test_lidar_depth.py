"""Velodyne scans as ground truth: by hand, by the development kit's formula, and on real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.depth.lidar_depth import LidarScan, project_scan
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera

DRIVE = "2011_09_26_drive_0001_sync"
DAY = Path("kitti", "2011_09_26")
SCAN = DAY / DRIVE / "velodyne_points" / "data" / "0000000005.bin"
#: Takes (x, y, z) of the LiDAR (forward, left, up) to (-y, -z, x) of the camera.
TURN = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)


def scan_of_pixels(*pixels: tuple[float, float, float]) -> np.ndarray:
    """Returns that the camera below sees at (u, v), z metres away."""
    return np.array([[z, -(u - 3) / 10 * z, -(v - 2) / 10 * z, 0.5] for u, v, z in pixels])


CAMERA = PinholeCamera(fx=10, fy=10, cx=3, cy=2, width=7, height=5)


def test_points_where_no_lidar_sees_any_are_refused():
    points = scan_of_pixels((1.0, 1.0, 9.0), (2.6, 3.0, 20.0), (6.4, 4.4, 30.0))
    assert np.count_nonzero(project_scan(points, TURN, CAMERA)) == 3
    assert not project_scan(points[:0], TURN, CAMERA).any()
    with pytest.raises(HmaDepthError, match=r"point is 20\d{3} m from .*millimetres"):
        project_scan(points * 1000, TURN, CAMERA)


def test_the_nearest_return_of_the_nearest_pixel():
    points = scan_of_pixels(
        (1.0, 1.0, 9.0), (1.4, 0.6, 4.0), (0.6, 1.4, 7.0),  # all of pixel (1, 1)
        (2.6, 3.0, 20.0), (6.4, 4.4, 30.0), (-0.4, -0.4, 40.0),  # within half a pixel of the rim
        (6.6, 2.0, 5.0), (-0.6, 2.0, 5.0), (2.0, 4.6, 5.0), (2.0, -0.6, 5.0),  # beyond it
        (4.0, 2.0, -5.0),  # behind the camera
    )  # fmt: skip
    expected = np.zeros((5, 7), np.float32)
    expected[1, 1], expected[3, 3], expected[4, 6], expected[0, 0] = 4, 20, 30, 40
    found = project_scan(points, TURN, CAMERA)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(project_scan(points[::-1], TURN, CAMERA), found)


def test_no_return_is_no_depth():
    assert not project_scan(np.empty((0, 4)), TURN, CAMERA).any()
    assert not project_scan(np.full((3, 4), np.nan), TURN, CAMERA).any()


@pytest.mark.parametrize("camera", [2, 3])
def test_each_camera_as_in_the_development_kit(tmp_path: Path, camera: int):
    """P_rect R_rect_00 T_velo_cam x, its third component being the depth."""
    calibration = KittiCalibration.standard()
    calibration.write(tmp_path / DAY)
    x = np.array([12.0, 1.5, -0.4])
    rectified = np.eye(4)
    rectified[:3, :3] = calibration.calibration(0).R_rect
    projection = calibration.calibration(camera).P_rect @ rectified
    u, v, z = projection @ calibration.velodyne_to_unrectified @ [*x, 1]

    path = tmp_path / SCAN
    path.parent.mkdir(parents=True)
    path.write_bytes(np.array([*x, 0.3], "<f4").tobytes())
    image = tmp_path / DAY / DRIVE / f"image_0{camera}" / "data" / "0000000005.jpg"
    depth = read_ground_truth(LidarScan.of_image(image))
    assert depth.shape == (375, 1242)
    assert depth[round(v / z), round(u / z)] == pytest.approx(z, rel=1e-6)
    assert np.count_nonzero(depth) == 1


def test_the_scan_of_an_image():
    image = DAY / DRIVE / "image_03" / "data" / "0000000005.jpg"
    scan = LidarScan.of_image(image)
    assert scan == LidarScan(SCAN, 3) == LidarScan.listed(SCAN, image)
    assert scan.day == DAY
    for other in (f"image/{DRIVE}_image_0000000005_image_02.png", "street/rgb_5.jpg"):
        with pytest.raises(HmaDepthError, match=r"no image of KITTI's raw recordings"):
            LidarScan.of_image(Path(other))
    with pytest.raises(HmaDepthError, match=r"scans/5.bin is no scan of KITTI's raw recordings"):
        LidarScan.listed(Path("scans/5.bin"), image)


def test_agrees_with_the_official_depth_of_real_frames(real_data: Path):
    """6 cm in the median; a pixel beside (as by `round - 1`) it would be 9 cm."""
    images = real_data / "kitti_raw" / "2011_09_26" / DRIVE / "image_02" / "data"
    truths = real_data / "data_depth_annotated" / "train" / DRIVE / "proj_depth"
    if not images.is_dir() or not truths.is_dir():
        pytest.skip(f"no drive {DRIVE} with annotated depth in {real_data}")
    errors: list[float] = []
    beside: list[float] = []
    for truth in sorted((truths / "groundtruth" / "image_02").glob("*.png"))[::3]:
        annotated = read_depth_png(truth)
        depth = LidarScan.of_image(images / truth.name).depth()
        assert depth.shape == annotated.shape
        assert np.count_nonzero(depth) > 15_000
        for found, into in ((depth, errors), (np.roll(depth, (-1, -1), (0, 1)), beside)):
            both = (found > 0) & (annotated > 0)
            into.append(float(np.median(np.abs(found - annotated)[both])))
    assert len(errors) == 4
    assert 0.05 < np.mean(errors) < 0.075
    assert np.mean(beside) > 0.085
