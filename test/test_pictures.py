"""Bird's-eye view, panel and contact sheet: what is where in the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hma_depth_ros.geometry.backprojection import back_project
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.visualization.birds_eye import BirdsEyeExtent, birds_eye, splat
from hma_depth_ros.visualization.contact_sheet import contact_sheet, spread
from hma_depth_ros.visualization.panel import panel
from hma_depth_ros.visualization.tiles import FrameView

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
EXTENT = BirdsEyeExtent()


def seen_from_above(points, colors, width=400):
    return splat(
        np.array(points, np.float32), np.array(colors, np.uint8), extent=EXTENT, width=width
    )


def is_color(view, color):
    return (view == color).all(axis=-1)


def test_points_lie_where_they_are_in_metres():
    # 400 pixels for 40 m: ten pixels a metre; the top is 60 m ahead.
    view = seen_from_above([(0, 1, 10), (5, 1, 10), (-12.5, 1, 40)], [RED, GREEN, BLUE])
    assert view.shape == (620, 400, 3)
    for color, column, row in ((RED, 200, 500), (GREEN, 250, 500), (BLUE, 75, 200)):
        rows, columns = np.nonzero(is_color(view, color))
        assert rows.mean() == pytest.approx(row, abs=0.6)
        assert columns.mean() == pytest.approx(column, abs=0.6)


def test_far_points_are_drawn_larger():
    view = seen_from_above([(0, 1, 5), (0, 1, 55)], [RED, GREEN])
    assert is_color(view, RED).sum() < is_color(view, GREEN).sum()


def test_the_highest_point_is_seen_and_the_sky_is_not():
    same_place = [(0, 1.5, 10), (0, -0.5, 10), (0, 0.5, 10)]
    view = seen_from_above(same_place, [RED, GREEN, BLUE])
    assert is_color(view, GREEN).any()
    assert not is_color(view, RED).any()
    assert not is_color(view, BLUE).any()
    assert not is_color(seen_from_above([(0, -3.1, 10)], [RED]), RED).any()


def test_points_that_are_invalid_or_outside_are_left_out():
    nan, inf = np.nan, np.inf
    nowhere = [(nan, nan, nan), (0, nan, 5), (0, 1, inf), (-inf, 0, 5), (20.1, 0, 5), (0, 0, 61)]
    view = seen_from_above(nowhere, [RED] * len(nowhere))
    assert not is_color(view, RED).any()


def test_the_picture_has_a_grid_and_the_camera():
    nothing = np.zeros((0, 3), np.float32)
    view = birds_eye(nothing, nothing.astype(np.uint8), width=400).astype(int)
    line = view[400 - 1 : 400 + 2, 350].sum(axis=-1).max()  # 20 m ahead
    between = view[450, 350].sum()
    assert line > between + 60
    red, green, _ = view[600, 200]  # the marker at the origin
    assert red > 200 > green


def test_the_extent_follows_the_range():
    room = BirdsEyeExtent.for_range(10.0)
    assert (room.side, room.ahead, room.ceiling) == (2.5, 7.5, 0.375)
    assert room.grid_step == 1.0
    assert EXTENT.grid_step == 10.0


@pytest.fixture
def frame() -> FrameView:
    camera = PinholeCamera(180.0, 180.0, 155.0, 46.0, 311, 94)
    depth = np.full((94, 311), np.nan, np.float32)
    depth[50:] = (180.0 * 1.65 / (np.arange(50, 94) - 46.0))[:, None]  # a plane 1.65 m below
    image = np.zeros((94, 311, 3), np.uint8)
    image[..., 1] = 200
    masks = np.stack([np.full((94, 311), weight, np.float32) for weight in (0.1, 0.2, 0.3, 0.4)])
    return FrameView(image, depth, 80.0, masks, back_project(depth, camera), caption="frame 7")


def test_the_panel_shows_everything(frame):
    picture = panel(frame)
    height, width, _ = picture.shape
    assert 1000 < width < 1600
    assert 800 < height < 1200
    # The four masks are flat grey pictures; each of their greys fills its share of the page.
    for grey in (26, 51, 76, 102):
        assert is_color(picture, (grey, grey, grey)).sum() > 0.015 * height * width
    assert is_color(picture, (0, 200, 0)).sum() > 0.1 * height * width


def test_the_panel_shrinks_with_what_is_missing(frame):
    whole = panel(frame).shape
    without_masks = panel(replace(frame, attention=None)).shape
    bare = panel(replace(frame, attention=None, points=None)).shape
    assert without_masks[0] < whole[0]
    assert bare[1] < without_masks[1] < whole[1]


def test_the_contact_sheet_grows_with_the_frames(frame):
    one, three = contact_sheet([frame]), contact_sheet([frame] * 3)
    assert one.shape[1] == three.shape[1]
    assert 2.5 * one.shape[0] < three.shape[0] < 3 * one.shape[0]
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_the_contact_sheet_keeps_the_order_of_the_frames(frame):
    dyed = [replace(frame, image=np.full_like(frame.image, grey)) for grey in (50, 90, 130)]
    sheet = contact_sheet(dyed)
    rows = [np.nonzero(is_color(sheet, (grey,) * 3).sum(axis=1) > 300)[0] for grey in (50, 90, 130)]
    assert rows[0].max() < rows[1].min() < rows[1].max() < rows[2].min()


def test_any_number_of_scales_and_any_shape_of_image_can_be_drawn(frame):
    tall = FrameView(
        np.zeros((64, 48, 3), np.uint8),
        np.ones((64, 48), np.float32),
        10.0,
        np.full((5, 64, 48), 0.2, np.float32),
        caption="a name that is far too long for the narrow header of such a picture",
    )
    assert panel(tall).shape[0] > panel(tall).shape[1]
    assert contact_sheet([tall]).ndim == 3


@pytest.mark.parametrize(
    ("total", "expected"), [(20, [0, 6, 13, 19]), (4, [0, 1, 2, 3]), (2, [0, 1]), (1, [0])]
)
def test_frames_are_picked_from_first_to_last(total, expected):
    assert spread(total, 4) == expected
