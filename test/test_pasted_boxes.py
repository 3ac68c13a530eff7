"""Boxes pasted into frames stand on the ground that the frame's depth shows."""

from __future__ import annotations

import numpy as np
import pytest

from hma_depth_ros.data.ground_plane import GroundPlane, fit_ground
from hma_depth_ros.training.samples.pasted_boxes import PastedBox, column_depths, paste_boxes

FOCAL = 360.0
ROWS, COLUMNS = 187, 621
HEIGHT, HORIZON = 1.65, 86.0


def road(pitch_rows: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Depth of a flat road, every fourth pixel known; 0 above the horizon."""
    v, u = np.mgrid[:ROWS, :COLUMNS]
    below = v - HORIZON - pitch_rows + roll * (u - COLUMNS / 2)
    depth = np.where(below > 2, HEIGHT * FOCAL / np.maximum(below, 1), 0).astype(np.float32)
    depth[(u + v) % 4 > 0] = 0
    return depth


@pytest.mark.parametrize(("pitch_rows", "roll"), [(0, 0), (12, 0.02), (-9, -0.05)])
def test_the_road_is_found_among_what_stands_on_it(pitch_rows: float, roll: float):
    depth = road(pitch_rows, roll)
    depth[100:187, 250:330] *= 0.6  # a car
    ground = fit_ground(depth, FOCAL, np.random.default_rng(0))
    assert ground is not None
    assert 1 / (ground.down * FOCAL) == pytest.approx(HEIGHT, rel=1e-3)
    assert ground.across / ground.down == pytest.approx(roll, abs=1e-3)
    columns = np.array([0.0, 310.0, 620.0])
    expected = HORIZON + pitch_rows - roll * (columns - COLUMNS / 2) + HEIGHT * FOCAL / 10
    assert ground.row(columns, np.full(3, 10.0)) == pytest.approx(expected, abs=0.05)


def test_where_there_is_no_road_there_is_no_plane():
    random = np.random.default_rng(0)
    assert fit_ground(np.zeros((ROWS, COLUMNS), np.float32), FOCAL, random) is None
    wall = np.full((ROWS, COLUMNS), 8, np.float32)
    assert fit_ground(wall, FOCAL, random) is None
    noise = random.uniform(3, 30, (ROWS, COLUMNS)).astype(np.float32)
    assert fit_ground(noise, FOCAL, random) is None


def test_rays_meet_the_nearest_side():
    """A box of 2x6 m straight ahead, its rear at 10 m, and the same beside the road."""
    ahead = PastedBox(x=0, z=13, width=2, length=6, height=3, yaw=0)
    slopes = np.array([-0.11, -0.09, 0.0, 0.09, 0.11])
    z, _, _ = column_depths(ahead, slopes)
    assert z == pytest.approx([np.inf, 10, 10, 10, np.inf])
    beside = PastedBox(x=4, z=13, width=2, length=6, height=3, yaw=0)  # its side is at x = 3
    z, along, side = column_depths(beside, np.array([0.2, 0.25, 0.4]))
    assert z == pytest.approx([15, 12, 10])
    assert side[0] == side[1] != side[2]
    assert abs(along[0] - along[1]) == pytest.approx(3)
    turned = PastedBox(x=0, z=10, width=2, length=6, height=3, yaw=np.pi / 2)
    assert column_depths(turned, np.array([0.3]))[0] == pytest.approx([9])


def test_boxes_have_one_depth_in_each_column_and_stand_on_the_road():
    image = np.full((ROWS, COLUMNS, 3), 128, np.uint8)
    depth, pasted_frames = road(), 0
    plane = GroundPlane(0.0, 1 / (HEIGHT * FOCAL), -HORIZON / (HEIGHT * FOCAL))
    for seed in range(12):
        found_image, found, pasted = paste_boxes(image, depth, FOCAL, np.random.default_rng(seed))
        if not pasted.any():
            continue
        pasted_frames += 1
        assert (found[~pasted] == depth[~pasted]).all()
        assert 0.2 < (found[pasted] > 0).mean() < 0.3
        assert (found_image[pasted] != 128).any(axis=1).mean() > 0.5
        for u in range(0, COLUMNS, 7):
            known = np.flatnonzero(pasted[:, u] & (found[:, u] > 0))
            if known.size < 6:
                continue
            depths = np.unique(found[known, u])
            assert depths.size <= 3, "at most one for each box"
            lowest = np.flatnonzero(pasted[:, u])[-1]
            if lowest < ROWS - 2:  # the nearest box's foot is in the image
                foot = plane.row(np.array([float(u)]), np.array([float(depths[0])]))[0]
                assert abs(foot - lowest) < 1.5
    assert pasted_frames > 6
    assert (image == 128).all(), "the frame itself is left as it is"


def test_nothing_is_put_where_something_nearer_stands():
    depth = road()
    depth[depth == 0] = 1.6  # a curtain before everything
    depth[130:] = road()[130:]
    for seed in range(6):
        _, found, pasted = paste_boxes(
            np.zeros((ROWS, COLUMNS, 3), np.uint8), depth, FOCAL, np.random.default_rng(seed)
        )
        assert pasted[:100].sum() == 0
        assert (found[:100] == depth[:100]).all()


def test_grey_frames_get_grey_boxes():
    image = np.full((ROWS, COLUMNS, 3), 90, np.uint8)
    image[:, ::2] = 140
    found, _, pasted = paste_boxes(image, road(), FOCAL, np.random.default_rng(1))
    assert pasted.any()
    assert np.ptp(found.astype(int), axis=2).max() <= 1
