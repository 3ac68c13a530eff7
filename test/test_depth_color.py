"""Colours of known depths and of known masks."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np
import pytest

from hma_depth_ros.evaluation.error_colors import WORST_ERROR, error_colors
from hma_depth_ros.visualization.attention_color import (
    colorize_attention,
    scale_colors,
    scale_names,
)
from hma_depth_ros.visualization.depth_color import NO_DEPTH_RGB, colorize_depth


def color_of(depth: float, **options: Any) -> tuple[int, ...]:
    rgb = colorize_depth(np.array([[depth]], np.float32), **{"max_depth": 80.0, **options})
    return tuple(rgb[0, 0].tolist())


def turbo(position: float) -> np.ndarray:
    """Colour at `position` of 0..255 in turbo, RGB, in floating point."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)
    return table[round(position), 0, ::-1].astype(float)


@pytest.mark.parametrize("depth", [np.nan, np.inf, -np.inf, 0.0, -0.0, -3.0])
def test_no_depth_is_neutral_grey(depth):
    assert color_of(depth) == NO_DEPTH_RGB


def test_near_is_warm_and_far_is_cold():
    red, _, blue = color_of(3.0)
    assert red > 150
    assert blue < 100
    red, _, blue = color_of(75.0)
    assert blue > 120
    assert red < 80


@pytest.mark.parametrize("depth", [2.5, 4.0, 7.0, 14.142, 20.0, 33.3, 79.0])
def test_the_color_is_turbo_over_the_logarithm(depth):
    # Five octaves, 2.5 m to 80 m, over the middle 230 of turbo's 256 colours.
    position = 244 - (244 - 14) * np.log2(depth / 2.5) / 5
    nearest = min(np.abs(turbo(p) - color_of(depth)).max() for p in (position, position + 0.9))
    assert nearest <= 8


def test_equal_ratios_are_equal_steps():
    # Doubling the depth anywhere is as far in colour as the same doubling of another range.
    assert color_of(10.0, max_depth=40.0, min_depth=2.0) == color_of(
        20.0, max_depth=80.0, min_depth=4.0
    )


def test_outside_of_the_range_the_nearer_end_shows():
    assert color_of(0.5) == color_of(2.49) == color_of(2.5)
    assert color_of(500.0) == color_of(81.0)
    assert color_of(81.0) != NO_DEPTH_RGB


def test_a_strided_or_double_depth_image_gives_the_same_colors():
    depth = np.linspace(1, 90, 12 * 20, dtype=np.float32).reshape(12, 20)
    plain = colorize_depth(depth, max_depth=80)
    assert plain.shape == (12, 20, 3)
    assert plain.dtype == np.uint8
    wide = np.repeat(depth, 2, axis=1)
    np.testing.assert_array_equal(colorize_depth(wide[:, ::2], max_depth=80), plain)
    np.testing.assert_array_equal(colorize_depth(depth.astype(np.float64), max_depth=80), plain)
    np.testing.assert_array_equal(colorize_depth(depth.astype(">f4"), max_depth=80), plain)


@pytest.mark.parametrize("limits", [(0.0, 80.0), (80.0, 80.0), (-1.0, 5.0)])
def test_an_impossible_range_is_refused(limits):
    with pytest.raises(ValueError, match="not a range of depths"):
        color_of(1.0, min_depth=limits[0], max_depth=limits[1])


def test_a_scale_that_decides_alone_shows_its_color():
    masks = np.eye(4, dtype=np.float32).reshape(4, 1, 4)
    np.testing.assert_array_equal(colorize_attention(masks)[0], scale_colors(4))


def test_shared_pixels_are_the_weighted_sum_of_colors():
    weights = np.array([0.5, 0.25, 0.125, 0.125], np.float32)
    rgb = colorize_attention(weights.reshape(4, 1, 1))
    expected = weights @ scale_colors(4).astype(float)  # (126.75, 132.0, 108.25)
    np.testing.assert_allclose(rgb[0, 0], expected, atol=0.5)


def test_pixels_without_masks_are_black():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy's about the cast of NaN to an integer
        assert not colorize_attention(np.full((3, 2, 5), np.nan, np.float32)).any()


def test_scales_are_named_as_in_the_paper():
    assert scale_names(4) == ["H/8", "H/4", "H/2", "H"]
    assert scale_names(3) == ["H/4", "H/2", "H"]


def test_colors_of_scales_differ_even_in_grey():
    luminance = np.sort(scale_colors(5) @ np.array([0.299, 0.587, 0.114]))
    assert np.diff(luminance).min() > 5
    with pytest.raises(ValueError, match="7 scales"):
        scale_colors(7)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
def test_no_depth_is_the_worst_error(nothing):
    """Also next to a point whose error is small, and without a warning of NumPy's."""
    truth = np.zeros((3, 9), np.float32)
    truth[1, [1, 2, 7]] = 10
    depth = np.full_like(truth, nothing)
    depth[1, [2, 7]] = 10.5, 10 * (1 + WORST_ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colors = error_colors(truth, depth)
    worst = colors[1, 7].tolist()
    assert min(worst[:2]) > 240  # yellow
    assert colors[:, :3].tolist() == [[worst] * 3] * 3
    assert colors[1, 3].max() < 64  # 5 %
    assert colors[1, 5].tolist() == [60] * 3
