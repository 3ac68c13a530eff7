"""Lorries, convoys, arterial roads: upright sides are upright, and vehicles do not collide."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from hma_depth_ros.data.semantic_labels import Label
from hma_depth_ros.synthetic import lorries, structures
from hma_depth_ros.synthetic.casting import Hits, cast
from hma_depth_ros.synthetic.lettering import letters
from hma_depth_ros.synthetic.materials import Pattern
from hma_depth_ros.synthetic.rays import CameraRays
from hma_depth_ros.synthetic.scene import Scene
from hma_depth_ros.synthetic.shading import painted
from hma_depth_ros.synthetic.solids import SolidSet
from hma_depth_ros.synthetic.street import rotation_z
from hma_depth_ros.synthetic.synthetic_drive import KITTI_CAMERA, SyntheticDrive
from hma_depth_ros.synthetic.traffic import Traffic

SMALL = KITTI_CAMERA.resize(width=310, height=94)
UNDER_A_BRIDGE = 71  #: seed of an arterial road with a bridge 24 m ahead of the start
LEVEL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.65], [0, 0, 0, 1]])


def heavy(seed: int, **limits: float) -> SolidSet:
    return SolidSet.of(lorries.heavy(np.random.default_rng(seed), **limits))


def with_a_box() -> tuple[SolidSet, int]:
    """Return a lorry with a closed load body, and which of its solids that is."""
    for seed in range(100):
        lorry = heavy(seed)
        bodies = np.flatnonzero((lorry.pattern == Pattern.LIVERY) & (lorry.face_count == 6))
        if bodies.size == 1 and np.ptp(lorry.corners[bodies[0], :, 2]) > 2:
            return lorry, int(bodies[0])
    raise AssertionError("no lorry with a box among a hundred")


def placed(lorry: SolidSet, x: float, y: float, *, yaw: float = 0.0) -> SolidSet:
    pose = rotation_z(yaw)
    pose[:2, 3] = x, y
    return lorry.moved(pose)


def seen(solids: SolidSet) -> tuple[CameraRays, Hits]:
    """What a level camera at the origin, looking along x, sees."""
    rays = CameraRays.through(SMALL, LEVEL)
    hits = Hits.nothing(rays.shape)
    cast(rays, solids, hits)
    return rays, hits


def faces_of(solids: SolidSet, solid: int, normal: tuple[float, float, float]) -> int:
    """Index of the face of a solid that looks in a direction."""
    first = int(solids.first_face[solid])
    planes = solids.planes[first : first + solids.face_count[solid], :3]
    return first + int((planes @ normal).argmax())


def test_a_flat_rear_is_at_its_distance():
    lorry, body = with_a_box()
    rear = lorry.corners[body, :, 0].min()
    solids = placed(lorry, 14.0 - rear, 0.4)
    _, hits = seen(solids)
    on_rear = hits.face == faces_of(solids, body, (-1, 0, 0))
    assert on_rear.sum() > 500
    np.testing.assert_allclose(hits.t[on_rear], 14.0, rtol=1e-5)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_side_does_not_recede_with_height(side: int):
    lorry, body = with_a_box()
    half = lorry.corners[body, :, 1].max()
    solids = placed(lorry, 14.0, side * 3.4)
    rays, hits = seen(solids)
    on_side = hits.face == faces_of(solids, body, (0, -side, 0))
    assert on_side.sum() > 500
    expected = (side * 3.4 - side * half) / rays.directions[1]
    np.testing.assert_allclose(hits.t[on_side], expected[on_side], rtol=1e-4)
    columns = np.flatnonzero(on_side.sum(axis=0) > 10)
    spread = [np.ptp(hits.t[on_side[:, u], u]) for u in columns]
    assert columns.size > 10
    assert max(spread) < 1e-3


def test_heavy_vehicles_have_the_sizes_of_real_ones():
    sets = [heavy(seed) for seed in range(200)]
    extent = np.array([np.ptp(s.corners.reshape(-1, 3), axis=0) for s in sets])
    length, width, height = extent.T
    assert 5.9 < length.min() < 7
    assert 15.5 < length.max() < 17
    assert 2.55 < width.min() < width.max() < 3.2  # with mirrors
    assert 2.3 < height.min() < height.max() < 4.4
    assert {int(s.label[0]) for s in sets} == {Label.TRUCK, Label.BUS}
    assert all(len(set(s.label.tolist())) == 1 for s in sets)
    assert min(s.corners[..., 2].min() for s in sets) > -0.01  # on their wheels
    patterns = {Pattern(p) for s in sets for p in s.pattern.tolist()}
    assert patterns >= {Pattern.LIVERY, Pattern.LORRY_CAB, Pattern.BUS_BODY, Pattern.HAZARD}


@pytest.mark.parametrize("longest", [7.6, 9.0, 12.0])
def test_a_gap_takes_only_what_fits(longest: float):
    for seed in range(60):
        along = heavy(seed, longest=longest).corners[..., 0]
        assert np.ptp(along) < longest + 0.25  # mirrors, and a folded tail lift


def test_every_vehicle_has_a_look_of_its_own():
    street = Scene(0).style
    looks = []
    for seed in range(24):
        solids = placed(heavy(seed), 16.0, 4.0, yaw=0.6 * seed)
        rays, hits = seen(solids)
        colors = []
        for surface, look in painted(rays, hits, solids, street):
            assert surface.rays.size == look.albedo.shape[1] == look.gloss.size
            assert np.isfinite(look.albedo).all()
            assert look.albedo.min() >= 0
            assert look.albedo.max() < 1.3
            colors.append(look.albedo)
        looks.append(np.concatenate(colors, axis=1).mean(axis=1).round(4))
    assert len(np.unique(looks, axis=0)) == 24


def test_letters_are_partly_ink_and_stay_the_same():
    u, v = np.meshgrid(np.arange(0, 12, 0.01), np.arange(-0.2, 0.6, 0.01))
    along, up = u.ravel().astype(np.float32), v.ravel().astype(np.float32)
    ink = letters(along, up, 0.4, 7)
    line = (up > 0) & (up < 0.4)
    assert not ink[~line].any()
    assert 0.2 < ink[line].mean() < 0.6
    np.testing.assert_array_equal(ink, letters(along, up, 0.4, 7))
    assert (ink != letters(along, up, 0.4, 8))[line].mean() > 0.1


# ---- traffic -------------------------------------------------------------------------------------


def lanes(scene: Scene, x: float, time: float) -> list[tuple[float, float, float, bool]]:
    """Vehicles as (lateral, x of tail, x of nose, heavy)."""
    found = []
    for vehicle, pose in scene._traffic.placed(x, time):
        along = vehicle.corners[..., 0]
        heading = scene.style.street.heading(pose[0, 3])
        middle = scene.style.street.middle(float(pose[0, 3]))
        lateral = (pose[1, 3] - middle) * np.cos(heading)
        half = np.ptp(along) / 2
        found.append(
            (lateral, pose[0, 3] - half, pose[0, 3] + half, bool(vehicle.label[0] != Label.CAR))
        )
    return found


def arterial(count: int) -> list[int]:
    return [seed for seed in range(200) if Scene(seed).style.kind == "arterial"][:count]


def test_a_quarter_of_the_streets_are_arterial():
    kinds = [Scene(seed).style.kind for seed in range(200)]
    assert 35 < kinds.count("arterial") < 65
    assert set(kinds) == {"residential", "town", "suburb", "country", "arterial"}


@pytest.mark.parametrize("time", [0.0, 2.5, 11.0])
def test_vehicles_keep_out_of_one_another_s_way(time: float):
    for seed in [*range(12), *arterial(8)]:
        scene, x = Scene(seed), 10 * time
        vehicles = lanes(scene, x, time)
        own = scene.style.ego_lateral
        for i, (lateral, tail, nose, _) in enumerate(vehicles):
            if abs(lateral - own) < 1:
                assert nose < x - 3 or tail > x + 2, (seed, "in the camera's place")
            for other, low, high, _ in vehicles[i + 1 :]:
                if abs(lateral - other) < 1:
                    # Positions are along x, a little less than along a bend.
                    assert nose < low + 0.6 or high < tail + 0.6, (seed, lateral, tail, nose)


def test_lorries_ahead_push_one_another_on():
    for seed in (0, 4, 11):
        scene = Scene(seed)
        only_lorries = replace(scene.style, leading=9.0, heavy=1.0)
        scene._traffic = Traffic(only_lorries, scene._random)
        own = scene.style.ego_lateral
        ahead = [v for v in lanes(scene, 0.0, 0.0) if abs(v[0] - own) < 0.5 and v[1] > 0]
        assert [vehicle[3] for vehicle in ahead] == [True] * 3
        gaps = [later[1] - sooner[2] for sooner, later in pairwise(ahead)]
        assert min(gaps) > 0.5, (seed, gaps)


def test_queues_stand_beside_the_car_and_hold_lorries():
    counts = []
    for seed in arterial(12):
        scene = Scene(seed)
        own = scene.style.ego_lateral
        beside = [v for v in lanes(scene, 0.0, 0.0) if v[0] < 0 and abs(v[0] - own) > 1]
        counts.append((sum(v[2] > 0 and v[1] < 60 for v in beside), sum(v[3] for v in beside)))
    near, large = np.array(counts).T
    assert near.mean() > 4
    assert large.sum() > 12


def test_streets_with_one_lane_have_no_neighbours():
    for seed in range(40):
        street = Scene(seed).style
        if street.paving.lanes == 1:
            assert street.convoys.ahead == street.convoys.oncoming == ()
            assert street.ego_lane == 0
    assert any(Scene(seed).style.convoys.ahead for seed in (1, 6, 39))


# ---- arterial roads ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_one_can_drive_under_a_bridge(seed: int):
    solids = structures.bridge(np.random.default_rng(seed), half_road=8.0, divided=False)
    bridge = SolidSet.of(solids)
    corners = bridge.corners
    over = (corners[..., 1].min(axis=1) < 7.5) & (corners[..., 1].max(axis=1) > -7.5)
    assert over.sum() >= 2
    assert corners[over][..., 2].min() > 4.1
    rays, hits = seen(placed(bridge, 30.0, 0.0))
    assert np.isinf(hits.t[int(SMALL.cy), int(SMALL.cx)])  # through
    assert np.isfinite(hits.t[2, int(SMALL.cx)]) or rays.directions[2, 2, 155] * 21 > 4.2
    assert set(bridge.label.tolist()) <= {Label.BRIDGE, Label.TERRAIN}


def test_camera_and_scanner_see_bridge_and_lorries():
    frame = SyntheticDrive(seed=UNDER_A_BRIDGE, frames=1, camera=SMALL).frame(0)
    bridge = frame.labels == Label.BRIDGE
    assert bridge.mean() > 0.05
    deck = bridge[:, SMALL.width // 2]
    assert 10 < frame.depth[:, SMALL.width // 2][deck].min() < 24
    world = frame.lidar[:, :3] @ frame.lidar_to_world[:3, :3].T + frame.lidar_to_world[:3, 3]
    near = (np.abs(world[:, 0] - 24) < 9) & (np.abs(world[:, 1]) < 20)
    assert (near & (world[:, 2] > 2)).sum() > 200  # abutments; the deck is above the beams


def test_large_roads_are_bounded_by_what_their_style_says():
    labels: set[int] = set()
    for seed in arterial(6):
        scene = Scene(seed)
        solids = scene.standing(0.0)
        bounds = scene.style.bounds
        kinds = {bounds.median, *bounds.sides.values()}
        assert ("rail" in kinds) == bool((solids.label == Label.GUARD_RAIL).any())
        labels |= set(solids.label.tolist())
        kerb = scene.style.street.half_width
        inside = np.abs(scene.style.street.lateral(*flat(solids, Label.WALL)))
        if bounds.median == "none":
            assert inside.min() > kerb
    assert labels >= {Label.GUARD_RAIL, Label.BRIDGE, Label.WALL}


def flat(solids: SolidSet, label: Label) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """World x and y of the corners of all solids of a class."""
    corners = solids.corners[solids.label == label].reshape(-1, 3).astype(np.float32)
    far = np.full((1, 3), 1e3, np.float32)  # so that there is one
    x, y, _ = np.concatenate([corners, far]).T
    return x, y
