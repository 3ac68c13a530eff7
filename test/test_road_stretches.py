"""Lists by stretches of road; edges of LiDAR and image; the mount of a camera by its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.data.camera_mount import mount_of
from hma_depth_ros.data.depth.label_density import ring_spacing
from hma_depth_ros.data.depth.lidar_edges import (
    EdgeCheck,
    check_rotation_by_edges,
    edge_frame,
    rotation_of,
)
from hma_depth_ros.data.splits.road_stretches import NO_LIST, RoadFrames, divide_by_stretches
from hma_depth_ros.geometry.camera import PinholeCamera

SHARES = (0.7, 0.15, 0.15)


def road(place: npt.NDArray[np.float64], drive: npt.NDArray[np.int64]) -> RoadFrames:
    """Frames 2 m apart."""
    way = np.concatenate([2.0 * np.arange((drive == d).sum()) for d in np.unique(drive)])
    return RoadFrames(way, drive, place, np.zeros(len(drive), np.int64))


def test_shares_are_kept_and_lists_are_a_gap_apart():
    x = 2.0 * np.arange(2000)
    frames = road(np.column_stack([x, 0 * x, 0 * x]), np.zeros(2000, np.int64))
    found = divide_by_stretches(frames, SHARES, length=200, gap=30)
    assert found.length == 200 and found.gap == 30
    counts = np.bincount(found.list[found.list != NO_LIST], minlength=3) / 2000
    assert counts == pytest.approx([0.63, 0.14, 0.15], abs=0.05)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        apart = np.abs(x[found.list == first][:, None] - x[found.list == second])
        assert apart.min() >= 30


def test_the_second_time_around_the_block_is_the_same_road():
    angle = np.linspace(0, 4 * np.pi, 1200)  # twice around
    circle = 300 / np.pi * np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    frames = road(circle, np.zeros(1200, np.int64))
    found = divide_by_stretches(frames, SHARES, length=120, gap=20)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        here, there = circle[found.list == first], circle[found.list == second]
        assert np.linalg.norm(here[:, None] - there, axis=-1).min() >= 20
    assert (found.list == 0).sum() > 200


def test_short_roads_have_short_stretches_and_one_list_takes_all():
    x = 2.0 * np.arange(40)
    frames = road(np.column_stack([x, 0 * x, 0 * x]), np.repeat([0, 1], 20))
    found = divide_by_stretches(frames, SHARES, length=200, gap=30)
    assert set(found.list) >= {0, 1, 2}
    assert found.length == pytest.approx(76 / 10)
    whole = divide_by_stretches(frames, (0.0, 0.0, 1.0), length=200, gap=30)
    assert (whole.list == 2).all()


CAMERA = PinholeCamera(fx=400.0, fy=400.0, cx=319.5, cy=180.0, width=640, height=360)


def boards(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Boards of several distances before a wall, as an image and exact depth."""
    random = np.random.default_rng(seed)
    image = np.full((360, 640, 3), 90.0)
    depth = np.full((360, 640), 50, np.float32)
    for _ in range(12):
        left, top = random.integers(0, 580), random.integers(0, 300)
        part = slice(top, top + random.integers(40, 120)), slice(left, left + 50)
        image[part] = random.integers(0, 255)
        depth[part] = random.uniform(8, 30)
    return np.clip(image + random.normal(0, 3, image.shape), 0, 255).astype(np.uint8), depth


def turned(
    depth: npt.NDArray[np.float32], angles: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """Every second return of each fourth row, as a LiDAR turned by so many degrees puts it."""
    rows, columns = np.mgrid[0:360:4, 0:640:2].reshape(2, -1)
    z = depth[rows, columns].astype(np.float64)
    rays = np.stack([(columns - CAMERA.cx) / CAMERA.fx, (rows - CAMERA.cy) / CAMERA.fy, 1 + 0 * z])
    x, y, z = rotation_of(angles) @ (rays * z)
    u, v = np.rint(400 * x / z + CAMERA.cx), np.rint(400 * y / z + CAMERA.cy)
    inside = (u >= 0) & (u < 640) & (v >= 0) & (v < 360)
    found = np.zeros((360, 640), np.float32)
    found[v[inside].astype(int), u[inside].astype(int)] = z[inside]
    return found


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.8, 0.0, 0.0)])
def test_a_turned_lidar_is_found_out(angles: tuple[float, float, float]):
    frames = []
    for seed in range(5):
        image, depth = boards(seed)
        frame = edge_frame(image, turned(depth, angles), CAMERA)
        assert frame is not None
        frames.append(frame)
    found = check_rotation_by_edges(frames)
    assert found is not None
    # What would fit better undoes the turn.
    assert found.rotation == pytest.approx([-angle for angle in angles], abs=0.25)
    assert found.is_off == any(angles)
    assert ("check the calibration" in str(found)) == any(angles)


def test_a_small_roll_is_not_held_against_a_calibration():
    """KITTI's own comes out 0.7 degrees off about the optical axis."""
    found = EdgeCheck(12, 1200, 0.041, 0.058, (0.0, -0.07, -0.7), 0.92)
    assert not found.is_off
    assert replace(found, rotation=(0.0, -0.07, -1.2)).is_off
    assert replace(found, rotation=(0.0, -0.7, 0.0)).is_off
    assert not replace(found, rotation=(0.0, -0.7, 0.0), points=100).is_off


def test_a_rotation_that_is_better_by_chance_is_none():
    """As on 16 beams of KITTI's drive 0001, and on a rendered street without parked cars."""
    off = EdgeCheck(12, 654, 0.043, 0.072, (-1.57, -0.25, 1.5), 0.92, noise=0.004)
    assert off.is_off
    assert not replace(off, noise=0.01).is_off, "a gain of 0.029 is three sigma"
    beyond = replace(off, score=0.004, rotation=(-2.25, 1.25, -1.55))
    assert not beyond.is_off, "the best was not found within what is looked at"
    assert "hardly more than by chance (0.004" in str(beyond)
    assert "say nothing against them" in str(replace(beyond, score=0.043))
    images = [edge_frame(*boards(seed), CAMERA) for seed in range(5)]
    found = check_rotation_by_edges([frame for frame in images if frame is not None])
    assert found is not None and 0 <= found.noise < 0.02


@pytest.mark.parametrize("apart", [5, 21])
def test_rings_are_so_many_rows_apart(apart: int):
    """Rings that are not level, with a return in every third column and some missing."""
    depth = np.zeros((200, 600), np.float32)
    columns = np.arange(0, 600, 3)
    for ring in range(10, 190, apart):
        depth[ring + (columns > 300), columns] = 10
    depth[:, 100:160] = 0
    assert ring_spacing(depth) == apart
    depth[:, 6:] = 0
    assert ring_spacing(depth) is None or apart == 5


def test_the_mount_is_that_of_the_road():
    pitch, height = np.radians(4.0), 2.2
    row = np.mgrid[0:360, 0:640][0]
    y = (row - CAMERA.cy) / CAMERA.fy
    slope = y * np.cos(pitch) + np.sin(pitch)
    depth = np.where(slope > 0.03, height / np.maximum(slope, 0.03), 0).astype(np.float32)
    depth[:, ::2] = 0
    found = mount_of([(depth, CAMERA)] * 3)
    assert found is not None
    assert found.height == pytest.approx(height, rel=0.01)
    assert found.pitch == pytest.approx(pitch, abs=0.002)
    assert mount_of([(depth, CAMERA)] * 2) is None
