"""The synthetic drive: the geometry is exact, the sensors agree, and the same seed is the same."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png
from hma_depth_ros.data.depth.lidar_depth import project_scan
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.kitti.drive import KittiDrive, load_velodyne
from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.backprojection import back_project, project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.synthetic import casting, oxts_packets
from hma_depth_ros.synthetic.casting import Hits, cast
from hma_depth_ros.synthetic.ground import cast_ground
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.materials import Material
from hma_depth_ros.synthetic.noise import noise
from hma_depth_ros.synthetic.occlusion import ContactShade
from hma_depth_ros.synthetic.rays import CameraRays, LidarRays, Rays, SunRays, Windows
from hma_depth_ros.synthetic.shadows import ShadowMap
from hma_depth_ros.synthetic.solids import Solid, SolidSet
from hma_depth_ros.synthetic.synthetic_drive import (
    CAMERA,
    KITTI_CAMERA,
    SyntheticDrive,
    SyntheticFrame,
)

SMALL = KITTI_CAMERA.resize(width=310, height=94)
#: Streets that have together, among other things, kerbs, bends, houses, woods and traffic.
SEEDS = (1, 4, 11)

OPTICAL_TO_WORLD = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@pytest.fixture(scope="module", params=SEEDS)
def drive(request: pytest.FixtureRequest) -> SyntheticDrive:
    return SyntheticDrive(seed=request.param, frames=4, camera=SMALL)


def world_points(frame: SyntheticFrame) -> npt.NDArray[np.float64]:
    """Points (H, W, 3) of the frame's pixels in the world; NaN in the sky."""
    points = back_project(frame.depth, frame.drive.camera)
    pose = frame.camera_to_world
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])


def seen_again(
    points: npt.NDArray[np.float64], frame: SyntheticFrame
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixels (n, 2) of world points (n, 3), their depths (n), and those that the frame has there.

    The frame's depth is interpolated in 1/depth, which is exact on planes.
    """
    camera_from_world = np.linalg.inv(frame.camera_to_world)
    uvz = project(points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3], SMALL)
    inside = (uvz[:, 2] > 1) & (uvz[:, 0] > 1) & (uvz[:, 0] < SMALL.width - 2)
    inside &= (uvz[:, 1] > 1) & (uvz[:, 1] < SMALL.height - 2)
    uvz = uvz[inside]
    u, v = uvz[:, 0].astype(np.float32), uvz[:, 1].astype(np.float32)
    inverse = cv2.remap(1 / frame.depth, u[None], v[None], cv2.INTER_LINEAR)[0]
    with np.errstate(divide="ignore"):
        return uvz[:, :2], uvz[:, 2], 1 / inverse.astype(np.float64)


def test_the_road_is_the_plane_at_the_height_of_the_camera(drive: SyntheticDrive):
    frame = drive.frame(1)
    pose = frame.camera_to_world
    assert pose[2, 3] == pytest.approx(1.65)
    rays = back_project(np.ones((SMALL.height, SMALL.width), np.float32), SMALL) @ pose[:3, :3].T
    road = frame.labels == Label.ROAD
    assert road.mean() > 0.1
    expected = -pose[2, 3] / rays[road][:, 2]
    np.testing.assert_allclose(frame.depth[road], expected, rtol=1e-4)


def test_another_car_has_another_mount_and_a_level_lidar():
    mount = Mount(2.2, float(np.radians(4)))
    frame = SyntheticDrive(seed=1, frames=2, camera=SMALL, mount=mount, sampling=1).frame(1)
    usual = SyntheticDrive(seed=1, frames=2, camera=SMALL, sampling=1).frame(1)
    assert frame.camera_to_world[2, 3] - usual.camera_to_world[2, 3] == pytest.approx(2.2 - 1.65)
    down = np.arcsin([-pose[2, 2] for pose in (frame.camera_to_world, usual.camera_to_world)])
    assert np.degrees(down[0] - down[1]) == pytest.approx(4, abs=1e-3)
    # z of the LiDAR's axis z: as far from upright as before, by suspension and calibration.
    assert frame.lidar_to_world[2, 2] == pytest.approx(usual.lidar_to_world[2, 2], abs=1e-5)
    to_camera = frame.drive.calibration.velodyne_to_camera(CAMERA)
    seen = project_scan(frame.lidar, to_camera, SMALL)
    both = (seen > 0) & np.isfinite(frame.depth)
    assert np.median(np.abs(seen / frame.depth - 1)[both]) < 0.01
    again = pickle.loads(pickle.dumps(frame.drive))
    assert again.mount == mount


def test_the_car_drives_at_ten_metres_a_second(drive: SyntheticDrive):
    poses = np.array([frame.camera_to_world for frame in drive])
    stamps = np.array([frame.stamp_ns for frame in drive])
    along = np.diff(poses[:, 0, 3]) / (np.diff(stamps) * 1e-9)
    np.testing.assert_allclose(along, 10, atol=0.2)
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), [np.eye(3)] * 4, atol=1e-12
    )
    forward, down = poses[:, :3, 2], poses[:, :3, 1]
    assert (forward[:, 0] > 0.9).all()
    assert (down[:, 2] < -0.99).all()


def test_the_pavement_is_a_kerb_above_the_road(drive: SyntheticDrive):
    frame, street = drive.frame(1), drive.scene.style.street
    points, labels = world_points(frame), frame.labels
    ground = np.isin(labels, [Label.SIDEWALK, Label.TERRAIN]) & (frame.depth < 40)
    heights = points[ground][:, 2]
    assert heights.size > 50
    assert heights.min() > -1e-3
    assert heights.max() < street.kerb_height + 1e-3
    assert np.median(heights) == pytest.approx(street.kerb_height, abs=1e-3)
    on_kerb = points[ground][heights < street.kerb_height - 1e-3].astype(np.float32)
    at = np.abs(street.lateral(on_kerb[:, 0], on_kerb[:, 1]))
    np.testing.assert_allclose(at, street.half_width, atol=1e-3)


def test_only_the_sky_has_no_depth(drive: SyntheticDrive):
    frame = drive.frame(0)
    np.testing.assert_array_equal(np.isposinf(frame.depth), frame.labels == Label.SKY)
    assert not np.isnan(frame.depth).any()
    assert frame.depth.min() > 0.3
    assert frame.depth.dtype == np.float32


def test_frames_agree_about_what_stands_still(drive: SyntheticDrive):
    first, later = drive.frame(0), drive.frame(3)
    solid = np.isin(first.labels, [Label.ROAD, Label.SIDEWALK, Label.TERRAIN, Label.BUILDING])
    points = world_points(first)[solid & (first.depth > 6) & (first.depth < 40)]
    uv, expected, found = seen_again(points, later)
    u, v = np.rint(uv).astype(int).T
    still = ~np.isin(later.labels[v, u], [Label.CAR, Label.TRUCK, Label.BUS])
    error = (np.abs(found - expected) / expected)[still]
    assert error.size > 1000
    assert np.median(error) < 6e-4  # OpenCV 4 interpolates in steps of 1/32 pixel
    assert np.mean(error < 0.01) > 0.85  # the rest is hidden by something in one of the two


def test_texture_stays_where_it_is(drive: SyntheticDrive):
    first, later = drive.frame(0), drive.frame(1)
    near_road = (first.labels == Label.ROAD) & (first.depth < 12)
    points = world_points(first)[near_road]
    before = first.image[near_road].astype(float).mean(axis=1)
    camera_from_world = np.linalg.inv(later.camera_to_world)
    uvz = project(points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3], SMALL)
    inside = (uvz[:, 1] < SMALL.height - 2) & (uvz[:, 0] > 1) & (uvz[:, 0] < SMALL.width - 2)
    u, v = uvz[inside, 0].astype(np.float32), uvz[inside, 1].astype(np.float32)
    after = cv2.remap(later.image, u[None], v[None], cv2.INTER_LINEAR)[0].mean(axis=1)
    same_pixel = later.image[near_road].astype(float).mean(axis=1)[inside]
    moved = np.median(np.abs(after - before[inside]))  # the shadows of traffic move
    assert moved < 0.75 * np.median(np.abs(same_pixel - before[inside]))


def test_lidar_and_camera_see_the_same(drive: SyntheticDrive):
    frame = drive.frame(2)
    transform = drive.calibration.velodyne_to_camera(CAMERA)
    points = frame.lidar[:, :3] @ transform[:3, :3].T + transform[:3, 3]
    uvz = project(points, SMALL)
    u, v = np.rint(np.nan_to_num(uvz[:, :2], nan=-1)).astype(int).T
    inside = (uvz[:, 2] > 1) & (u >= 0) & (v >= 0) & (u < SMALL.width) & (v < SMALL.height)
    u, v, z = u[inside], v[inside], uvz[inside, 2]
    # Away from edges, and from grazing surfaces, where a pixel spans more than the noise.
    low = cv2.erode(frame.depth, np.ones((3, 3)))[v, u]
    high = cv2.dilate(frame.depth, np.ones((3, 3)))[v, u]
    smooth = high - low < 0.3
    assert smooth.sum() > 500
    error = np.abs(frame.depth[v, u] - z)[smooth]
    assert np.median(error) < 0.05
    assert np.mean(error < 0.3) > 0.95  # the scanner looks over some edges of the camera's view


@pytest.mark.parametrize("yaw", [0.0, 1.5, 3.0, 4.5])
def test_a_camera_in_the_scanner_s_place_sees_the_same_all_around(yaw: float):
    drive = SyntheticDrive(seed=11, frames=1, camera=SMALL)
    frame = drive.frame(0)
    camera = PinholeCamera.from_focal_length(400, width=800, height=400)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    lidar_from_camera = turn @ OPTICAL_TO_WORLD
    rays = CameraRays.through(camera, frame.lidar_to_world @ lidar_from_camera)
    hits = Hits.nothing(rays.shape)
    scene = drive.scene
    cast(rays, SolidSet.union([scene.standing(0.0), scene.traffic(0.0, 0.0)]), hits)
    cast_ground(rays, scene.style.street, hits)
    points = frame.lidar[:, :3] @ np.linalg.inv(lidar_from_camera)[:3, :3].T
    uvz = project(points, camera)
    u, v = np.rint(np.nan_to_num(uvz[:, :2], nan=-1)).astype(int).T
    inside = (uvz[:, 2] > 0.5) & (u >= 0) & (v >= 0) & (u < 800) & (v < 400)
    u, v, z = u[inside], v[inside], uvz[inside, 2]
    # Within the pixel's neighbourhood, so that edges count too.
    low = cv2.erode(hits.t, np.ones((3, 3)))[v, u] - 0.1
    high = cv2.dilate(hits.t, np.ones((3, 3)))[v, u] + 0.1
    assert z.size > 5000
    assert np.mean((z > low) & (z < high)) > 0.99


def test_a_scan_is_that_of_an_hdl64(drive: SyntheticDrive):
    scan = drive.frame(0).lidar
    assert scan.dtype == np.float32
    assert 60_000 < len(scan) <= 64 * 2083
    ranges = np.linalg.norm(scan[:, :3], axis=1)
    assert ranges.max() < 120.1
    elevation = np.rad2deg(np.arcsin(scan[:, 2] / ranges))
    near = ranges > 3  # where rounding to millimetres does not show
    assert elevation[near].max() == pytest.approx(2.0, abs=0.05)
    assert elevation.min() == pytest.approx(-24.33, abs=0.05)
    assert len(np.unique(elevation[near].round(1))) <= 2 * 64
    azimuth = np.arctan2(scan[:, 1], scan[:, 0])
    assert np.histogram(azimuth, bins=36)[0].min() > 200  # all around
    assert 0 <= scan[:, 3].min() <= scan[:, 3].max() <= np.float32(0.99)
    # The ground beside the car, in the scanner's frame: 1.73 m below it, as in KITTI.
    beside = (np.abs(scan[:, 0]) < 1) & (np.abs(scan[:, 1]) < 8)
    assert np.percentile(scan[beside, 2], 10) == pytest.approx(-1.73, abs=0.08)


def test_range_noise_has_the_stated_size():
    drive = SyntheticDrive(seed=4, frames=1, camera=SMALL)
    frame = drive.frame(0)
    to_world = frame.lidar_to_world
    points = frame.lidar[:, :3].astype(float)
    ranges = np.linalg.norm(points, axis=1)
    directions = points / ranges[:, None] @ to_world[:3, :3].T
    world = points @ to_world[:3, :3].T + to_world[:3, 3]
    lateral = drive.scene.style.street.lateral(
        world[:, 0].astype(np.float32), world[:, 1].astype(np.float32)
    )
    on_road = (np.abs(lateral) < drive.scene.style.street.half_width - 0.3) & (ranges < 12)
    on_road &= np.abs(world[:, 2]) < 0.1
    exact = -to_world[2, 3] / directions[on_road, 2]
    assert on_road.sum() > 3000
    assert np.std(ranges[on_road] - exact) == pytest.approx(0.02, abs=0.003)


def digest(seed: int, index: int) -> str:
    frame = SyntheticDrive(seed=seed, frames=4, camera=SMALL).frame(index)
    parts = (frame.image, frame.depth, frame.labels, frame.lidar, frame.camera_to_world)
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    ).hexdigest()


def test_a_frame_depends_on_seed_and_number_alone(drive: SyntheticDrive):
    in_order = list(drive)[3]
    alone = SyntheticDrive(seed=drive.seed, frames=100, camera=SMALL).frame(3)
    unpickled = pickle.loads(pickle.dumps(drive)).frame(3)
    np.testing.assert_array_equal(unpickled.depth, alone.depth)
    np.testing.assert_array_equal(in_order.image, alone.image)
    np.testing.assert_array_equal(in_order.lidar, alone.lidar)


def test_another_process_renders_the_same_bytes():
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import {__name__} as t; print(t.digest(5, 2))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == digest(5, 2)
    assert other.stdout.strip() != digest(6, 2)


def test_a_camera_of_another_size_sees_the_same_street():
    whole = SyntheticDrive(seed=11, frames=1, camera=SMALL, sampling=1).frame(0)
    window = SMALL.crop(left=40, top=20, width=150, height=60)
    part = SyntheticDrive(seed=11, frames=1, camera=window, sampling=1).frame(0)
    np.testing.assert_allclose(part.depth, whole.depth[20:80, 40:190], rtol=1e-5)
    np.testing.assert_array_equal(part.labels, whole.labels[20:80, 40:190])
    assert part.drive.calibration.camera(CAMERA) == window


def test_supersampling_leaves_depth_alone():
    depths = [
        SyntheticDrive(seed=1, frames=1, camera=SMALL, sampling=sampling).frame(0).depth
        for sampling in (1, 2)
    ]
    close = np.isclose(depths[0], depths[1], rtol=1e-5)  # but for rays that graze an edge
    assert close.mean() > 0.9999


def test_kitti_s_camera_is_the_default():
    assert (KITTI_CAMERA.width, KITTI_CAMERA.height) == (1242, 375)
    assert KITTI_CAMERA.fx == pytest.approx(721.5377)
    p_rect = SyntheticDrive().calibration.calibration(CAMERA).P_rect
    np.testing.assert_allclose(p_rect[:, 3], [44.85728, 0.2163791, 0.002745884], rtol=1e-6)


# ---- ray casting ---------------------------------------------------------------------------------

PLAIN = Material(Label.POLE, (0.5, 0.5, 0.5))


def floats(values: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


BODIES = {
    "box": Solid.box(PLAIN, (5, -1, 0), (7, 2, 3)),
    "ellipsoid": Solid.ellipsoid(PLAIN, (8, 0.5, 1.5), (1, 2, 0.7)),
    "cylinder": Solid.cylinder(PLAIN, (6, -1, 0.5), (7, 1.5, 2), 0.6),
    "disc": Solid.disc(PLAIN, (6, 0, 1.5), 1.2, facing=(1, 0.5, 0.3)),
    "prism": Solid.prism(PLAIN, [(4, 0), (7, 0.5), (6, 3), (5, 2.5)], -1, 1, axis=1),
}


def inside(name: str, x: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether points (3, ...) are in a body, straight from its definition."""
    if name == "box":
        return (x[0] > 5) & (x[0] < 7) & (x[1] > -1) & (x[1] < 2) & (x[2] > 0) & (x[2] < 3)
    if name == "ellipsoid":
        return (x[0] - 8) ** 2 + ((x[1] - 0.5) / 2) ** 2 + ((x[2] - 1.5) / 0.7) ** 2 < 1
    if name == "cylinder":
        base, axis = np.array([6, -1, 0.5]), np.array([1, 2.5, 1.5])
        relative = x - base.reshape(3, *(1,) * (x.ndim - 1))
        along = np.tensordot(axis, relative, 1) / (axis @ axis)
        away = relative - axis.reshape(3, *(1,) * (x.ndim - 1)) * along
        return (along > 0) & (along < 1) & ((away**2).sum(axis=0) < 0.36)
    corners = np.array([(4, 0), (7, 0.5), (6, 3), (5, 2.5)])
    edges = np.roll(corners, -1, axis=0) - corners
    left = [
        ex * (x[2] - z) - ez * (x[0] - px) > 0
        for (px, z), (ex, ez) in zip(corners, edges, strict=True)
    ]
    return np.logical_and.reduce(left) & (np.abs(x[1]) < 1)


@pytest.mark.parametrize("name", ["box", "ellipsoid", "cylinder", "prism"])
def test_a_body_is_met_where_it_begins(name: str):
    pose = OPTICAL_TO_WORLD.copy()
    pose[:3, 3] = 0, 0.2, 1.65
    rays = CameraRays.through(KITTI_CAMERA.resize(width=124, height=38), pose)
    hits = Hits.nothing(rays.shape)
    cast(rays, SolidSet.of([BODIES[name]]), hits)
    met = np.isfinite(hits.t)
    along = np.linspace(3, 10, 1401)[:, None, None]
    samples = pose[:3, 3].reshape(3, 1, 1, 1) + rays.directions[:, None] * along
    marched = inside(name, samples)
    assert (marched.any(axis=0) == met).mean() > 0.995
    both = met & marched.any(axis=0)
    assert both.sum() > 200
    first = along[marched.argmax(axis=0)[both], 0, 0]
    assert np.abs(hits.t[both] - first).max() < 0.03
    just_before = samples[:, 0] * 0 + pose[:3, 3].reshape(3, 1, 1)
    just_before = just_before + rays.directions * np.where(met, hits.t - 2e-3, 0)
    just_after = just_before + rays.directions * 4e-3
    assert not inside(name, just_before)[met].any()
    assert inside(name, just_after)[both].mean() > 0.98


def test_a_disc_is_its_plane_within_its_radius():
    pose = OPTICAL_TO_WORLD.copy()
    pose[:3, 3] = 0, 0, 1.5
    rays = CameraRays.through(KITTI_CAMERA.resize(width=248, height=76), pose)
    hits = Hits.nothing(rays.shape)
    cast(rays, SolidSet.of([BODIES["disc"]]), hits)
    met = np.isfinite(hits.t)
    points = pose[:3, 3] + (rays.directions[:, met] * hits.t[met]).T - [6, 0, 1.5]
    assert np.abs(points @ [1, 0.5, 0.3]).max() < 1e-4
    assert np.linalg.norm(points, axis=1).max() < 1.2 + 1e-4
    # Area in the image: pi r^2, times the cosine towards the camera, times (f / z)^2.
    cosine = 1 / np.linalg.norm([1, 0.5, 0.3])
    expected = np.pi * 1.44 * cosine * (rays.camera.fx / 6) * (rays.camera.fy / 6)
    assert met.sum() == pytest.approx(expected, rel=0.03)


def test_one_by_one_and_together_are_the_same(monkeypatch: pytest.MonkeyPatch):
    depths = []
    for small in (0, 10**9):
        monkeypatch.setattr(casting, "_SMALL", small)
        depths.append(SyntheticDrive(seed=4, frames=1, camera=SMALL, sampling=1).frame(0).depth)
    assert np.isclose(depths[0], depths[1], rtol=1e-4).mean() > 0.999


def test_a_wall_that_starts_behind_the_camera_reaches_the_edge_of_the_image():
    pose = OPTICAL_TO_WORLD.copy()
    pose[:3, 3] = 0, 0, 1.65
    rays = CameraRays.through(SMALL, pose)
    wall = Solid.box(PLAIN, (-20, 3, 0), (20, 3.5, 4))
    hits = Hits.nothing(rays.shape)
    cast(rays, SolidSet.of([wall]), hits)
    v, u = int(SMALL.cy), 0
    assert hits.t[v, u] == pytest.approx(3 * SMALL.fx / (SMALL.cx - u), rel=1e-5)


@pytest.mark.parametrize(
    "body",
    [Solid.box(PLAIN, (-9, -9, -9), (9, 9, 9)), Solid.ellipsoid(PLAIN, (1, 0, 0), (9, 8, 7))],
)
def test_a_body_is_not_seen_from_inside(body: Solid):
    rays = CameraRays.through(SMALL, OPTICAL_TO_WORLD)
    hits = Hits.nothing(rays.shape)
    cast(rays, SolidSet.of([body]), hits)
    assert np.isinf(hits.t).all()


def everywhere(rays: Rays, corners: npt.NDArray[np.float64]) -> Windows:
    bounds = np.tile([0, rays.shape[0], 0, rays.shape[1]], (len(corners), 1))
    return Windows(bounds, np.zeros(len(corners), np.float32))


@pytest.mark.parametrize("sensor", ["camera", "lidar ahead", "lidar behind", "sun"])
def test_windows_leave_nothing_out(sensor: str, monkeypatch: pytest.MonkeyPatch):
    drive = SyntheticDrive(seed=11, frames=1, camera=KITTI_CAMERA.resize(width=62, height=19))
    frame = drive.frame(0)
    azimuths = np.arange(90) * np.pi / 90 + (np.pi if "behind" in sensor else 0)
    footprint = np.array([[x, y, 0.0] for x in (-5, 25) for y in (-9, 9)])
    rays: Rays = {
        "camera": CameraRays.through(drive.camera, frame.camera_to_world),
        "sun": SunRays.over(footprint, drive.scene.style.light.to_sun, pitch=0.5, height=30),
    }.get(sensor) or LidarRays.fired(
        np.deg2rad(np.arange(40.0, -25, -4)), azimuths, frame.lidar_to_world
    )
    solids = drive.scene.standing(0.0)
    found = []
    for windows in (type(rays).windows, everywhere):
        monkeypatch.setattr(type(rays), "windows", windows)
        hits = Hits.nothing(rays.shape)
        cast(rays, solids, hits)
        found.append(hits.t)
    assert np.isfinite(found[0]).mean() > 0.05
    # Which of the two ways of casting a solid goes depends on its window; they differ by rounding.
    assert np.isclose(found[0], found[1], rtol=1e-4).mean() > 0.998


def test_a_box_casts_its_shadow():
    box = Solid.box(PLAIN, (0, -1, 0), (1, 1, 2))
    to_sun = np.array([-1.0, 0, 1]) / np.sqrt(2)  # behind the box and 45 degrees up
    footprint = np.array([[x, y, 0.0] for x in (-6, 8) for y in (-5, 5)])
    shadows = ShadowMap.of(SolidSet.of([box]), footprint, to_sun)
    x = np.array([1.2, 2.0, 2.8, 3.3, -0.3, 2.0, 50.0], np.float32)
    y = np.array([0.0, 0.8, 0.0, 0.0, 0.0, 1.3, 0.0], np.float32)
    normal = np.zeros((3, 7), np.float32)
    normal[2] = 1
    lit = shadows.sunlit(np.stack([x, y, np.zeros_like(x)]), normal)
    np.testing.assert_allclose(lit, [0, 0, 0, 1, 1, 1, 1])
    above = shadows.sunlit(floats([[2.0], [0.0], [1.5]]), normal[:, :1])
    assert above == pytest.approx(1)  # the light passes over the box there
    on_top = shadows.sunlit(floats([[0.5], [0.0], [2.0]]), normal[:, :1])
    assert on_top == pytest.approx(1)
    more = shadows.with_solids(SolidSet.of([Solid.box(PLAIN, (-2, -1, 0), (-1, 1, 3))]))
    assert more.sunlit(floats([[-0.5], [0.0], [0.0]]), normal[:, :1]) == pytest.approx(0)


def test_beyond_the_shadow_map_all_is_lit():
    ceiling = SolidSet.of([Solid.box(PLAIN, (-60, -60, 3), (60, 60, 4))])
    footprint = np.array([[x, y, 0.0] for x in (-4, 4) for y in (-3, 3)])
    shadows = ShadowMap.of(ceiling, footprint, np.array([0.1, 0.2, 1.0]))
    up = np.array([[0.0], [0], [1]], np.float32)
    assert shadows.sunlit(np.zeros((3, 1), np.float32), up) == 0
    around = [[x, y, 0] for x in (-1e4, -9, 0, 9, 1e4) for y in (-1e4, -9, 0, 9, 1e4) if x or y]
    assert (shadows.sunlit(np.array(around, np.float32).T, up) == 1).all()


def test_places_on_the_ground_stay_in_single_precision():
    """One float64 number makes arrays of them, in which the ground takes twice the time."""
    street = SyntheticDrive(seed=1).scene.style.street
    assert street.bends
    x = np.linspace(0, 90, 7, dtype=np.float32)
    assert street.lateral(x, x).dtype == np.float32


def test_the_ground_is_darker_beside_a_wall():
    wall = SolidSet.of([Solid.box(PLAIN, (0, 2, 0), (10, 3, 4))])
    contact = ContactShade.of(wall, np.array([-5.0, -5]), np.array([15.0, 8]))
    up = floats([[0, 0, 0], [0, 0, 0], [1, 1, 1]])
    near, far, high = contact.open_sky(floats([[5, 5, 5], [1.8, -4, 1.8], [0, 0, 3]]), up)
    assert near < 0.75
    assert 0.99 < far <= 1
    assert high > 0.99


def test_noise_is_even_and_fades_before_it_aliases():
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-500, 500, (2, 100_000)).astype(np.float32)
    values = noise(u, v, 0.5)
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(0.93, abs=0.07)  # interpolation takes a little
    assert noise(u, v, 0.5, np.full_like(u, 0.1)).std() == pytest.approx(values.std())
    assert (noise(u, v, 0.5, np.full_like(u, 0.3)) == 0).all()
    np.testing.assert_allclose(noise(u[:9] + 32, v[:9], 0.5), values[:9], atol=0.02)


# ---- on disk -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[SyntheticDrive, KittiDrive]:
    drive = SyntheticDrive(seed=1, frames=3, camera=SMALL)
    root = tmp_path_factory.mktemp("kitti")
    return drive, write_kitti_drive(drive, root, number=9007, processes=2)


def test_the_folder_reads_as_a_kitti_drive(written: tuple[SyntheticDrive, KittiDrive]):
    drive, kitti = written
    assert kitti.name == "2011_09_26_drive_9007_sync"
    assert kitti.cameras == (CAMERA,)
    for stream in (kitti.images(CAMERA), kitti.velodyne, kitti.oxts):
        assert stream.frames == (0, 1, 2)
        assert [stream.stamp(i) for i in range(3)] == [frame.stamp_ns for frame in drive]
    assert kitti.calibration.camera(CAMERA) == SMALL
    np.testing.assert_array_equal(
        kitti.calibration.velodyne_to_camera(CAMERA), drive.calibration.velodyne_to_camera(CAMERA)
    )
    for name in ("timestamps_start.txt", "timestamps_end.txt"):
        assert len((kitti.velodyne.folder / name).read_text().splitlines()) == 3
    leftovers = [path for path in kitti.folder.parent.rglob("*") if ".part" in path.name]
    assert leftovers == []


def test_files_hold_what_the_frames_do(written: tuple[SyntheticDrive, KittiDrive]):
    drive, kitti = written
    frame = drive.frame(2)
    np.testing.assert_array_equal(read_rgb(kitti.images(CAMERA).path(2)), frame.image)
    np.testing.assert_array_equal(load_velodyne(kitti.velodyne.path(2)), frame.lidar)
    labels = cv2.imread(str(kitti.folder / "semantic" / "0000000002.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, frame.labels)
    path = kitti.ground_truth(CAMERA, 2)
    assert path is not None
    depth = read_depth_png(path)
    near = frame.depth < 255.9
    assert np.abs(depth - frame.depth)[near].max() <= 1 / 512
    assert (depth[frame.depth > 256] == 0).all()


def test_gps_and_imu_follow_the_poses(written: tuple[SyntheticDrive, KittiDrive]):
    drive, kitti = written
    rows = [np.array(kitti.oxts.path(i).read_text().split(), float) for i in range(3)]
    assert [row.size for row in rows] == [30, 30, 30]
    assert len((kitti.oxts.folder / "dataformat.txt").read_text().splitlines()) == 30
    # The development kit's convertOxtsToPose.
    scale = np.cos(np.deg2rad(rows[0][0]))
    positions, rotations = [], []
    for latitude, longitude, altitude, roll, pitch, yaw, *_ in rows:
        x = scale * 6378137 * np.deg2rad(longitude)
        y = scale * 6378137 * np.log(np.tan(np.deg2rad(90 + latitude) / 2))
        positions.append([x, y, altitude])
        c, s = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
        about_x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
        about_y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
        about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
        rotations.append(about_z @ about_y @ about_x)
    poses = [drive.imu_to_world(frame.time) for frame in drive]
    moved = np.diff(positions, axis=0)
    np.testing.assert_allclose(moved, np.diff([p[:3, 3] for p in poses], axis=0), atol=1e-4)
    np.testing.assert_allclose(rotations, [p[:3, :3] for p in poses], atol=1e-7)
    forward, leftward, upward = rows[1][8:11]
    assert np.hypot(rows[1][6], rows[1][7]) == pytest.approx(np.hypot(forward, leftward))
    assert forward == pytest.approx(np.linalg.norm(moved[:, :2].sum(axis=0)) / 0.2, abs=0.1)
    assert abs(leftward) < 0.6
    assert abs(upward) < 0.2
    assert rows[1][13] == pytest.approx(9.81, abs=0.7)


def test_a_rate_is_the_derivative_of_its_angle():
    def pose(time: float) -> npt.NDArray[np.float64]:
        angle, out = 0.3 * time, np.eye(4)
        out[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return out

    row = np.array(oxts_packets.reading(pose, 1.0).split(), float)
    np.testing.assert_allclose(row[3:6], [0, 0, 0.3], atol=1e-9)
    np.testing.assert_allclose(row[17:20], [0, 0, 0.3], atol=1e-5)
    np.testing.assert_allclose(row[11:14], [0, 0, 9.81])


def test_a_shorter_drive_leaves_nothing_of_a_longer_one(tmp_path: Path):
    for frames in (2, 1):
        drive = SyntheticDrive(seed=frames, frames=frames, camera=SMALL, sampling=1)
        kitti = write_kitti_drive(drive, tmp_path)
    assert kitti.images(CAMERA).frames == kitti.velodyne.frames == kitti.oxts.frames == (0,)
    assert [path.name for path in tmp_path.rglob("0000000001.*")] == []


def test_real_drives_and_other_cameras_are_left_alone(tmp_path: Path):
    drive = SyntheticDrive(frames=1, camera=SMALL, sampling=1)
    with pytest.raises(HmaDepthError, match="9000 to 9999"):
        write_kitti_drive(drive, tmp_path, number=1)
    write_kitti_drive(drive, tmp_path, number=9001)
    wider = SyntheticDrive(frames=1, camera=SMALL.resize(width=620, height=188), sampling=1)
    with pytest.raises(HmaDepthError, match="drive_9001_sync with another camera"):
        write_kitti_drive(wider, tmp_path, number=9002)
    write_kitti_drive(drive, tmp_path, number=9002)
    (tmp_path / "2011_09_26" / "2011_09_26_drive_0001_sync").mkdir()
    with pytest.raises(HmaDepthError, match="holds real recordings"):
        write_kitti_drive(drive, tmp_path, number=9002)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="seed=-1"):
        SyntheticDrive(seed=-1)
    with pytest.raises(ValueError, match="frames=0"):
        SyntheticDrive(frames=0)
    with pytest.raises(ValueError, match="sampling=0"):
        SyntheticDrive(sampling=0)
    with pytest.raises(IndexError, match="0 to 1"):
        SyntheticDrive(frames=2).frame(2)


def test_the_command_writes_drive_and_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bag = tmp_path / "bag"
    options = ["--output", str(tmp_path / "root"), "--frames", "2", "--size", "310x94"]
    assert run_command("synthetic_drive", [*options, "--bag", str(bag)]) == 0
    assert list(bag.glob("*.mcap"))
    kitti = KittiDrive.open(tmp_path / "root" / "2011_09_26" / "2011_09_26_drive_9001_sync")
    assert kitti.images(CAMERA).frames == (0, 1)
    # Two of image, camera_info, true depth, scan, imu and gps; one tf_static.
    assert "13 messages" in capsys.readouterr().out
    assert run_command("synthetic_drive", [*options, "--bag", str(bag)]) == 2
    assert "--bag" in capsys.readouterr().err
    for pitch, said in (("4", "--camera-pitch in radians"), ("0.4", "turned by 0.35 radians")):
        assert run_command("synthetic_drive", [*options, "--camera-pitch", pitch]) == 2
        assert said in capsys.readouterr().err
