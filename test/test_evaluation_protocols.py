"""Windows, clean-up and figures of all protocols against a slow formula written from its text."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.cleanup import clean, fill_holes, quantise
from hma_depth_ros.evaluation.depth_bins import bin_errors, bin_sums
from hma_depth_ros.evaluation.metrics import DEPTH_METRICS
from hma_depth_ros.evaluation.protocols import PROTOCOLS, protocols_by_name
from hma_depth_ros.evaluation.report.bootstrap import confidence_interval
from hma_depth_ros.evaluation.score import score

SIZE, CROP = (375, 1242), (352, 1216)
CROP_TOP, CROP_LEFT = 375 - 352, (1242 - 1216) // 2

#: Rows and columns for 375x1242, in pixels of the whole image.
RECTANGLES = {
    "bts": (153, 371, 44, 1197),
    "kb_garg": (CROP_TOP + 143, CROP_TOP + 349, CROP_LEFT + 43, CROP_LEFT + 1172),
    "eigen": (124, 342, 44, 1197),
    "full": (0, 375, 0, 1242),
    "benchmark": (CROP_TOP, 375, CROP_LEFT, CROP_LEFT + 1216),
}


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Prediction of the crop, with points nearer and farther than any cap, and sparse truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(SIZE, np.float32)
    known = rng.random(SIZE) < 0.01
    truth[known] = rng.uniform(1, 95, np.count_nonzero(known))
    # Dense enough on the rectangles' edges that a row or column more or less is noticed.
    truth[np.ix_([124, 153, 166, 341, 370, 371], range(0, 1242, 5))] = 33.0
    truth[np.ix_(range(0, 375, 5), [43, 44, 56, 1184, 1196, 1197])] = 11.0
    prediction = rng.uniform(0.5, 100, CROP).astype(np.float32)
    prediction[200, :300], prediction[210, :300] = 0, np.inf
    return prediction, truth


def slow_figures(
    prediction: np.ndarray, truth: np.ndarray, rectangle: tuple[int, ...], cap: float
) -> dict[str, float]:
    """Pixel by pixel, in Python's own arithmetic."""
    top, bottom, left, right = rectangle
    p, g = [], []
    for v, u in zip(*np.nonzero(truth), strict=True):
        if not (top <= v < bottom and left <= u < right and truth[v, u] < cap):
            continue
        inside = v >= CROP_TOP and CROP_LEFT <= u < CROP_LEFT + CROP[1]
        guess = float(prediction[v - CROP_TOP, u - CROP_LEFT]) if inside else 0.0
        p.append(min(max(guess, float(np.float32(1e-3))), cap))
        g.append(float(truth[v, u]))
    n = len(g)
    logs = [math.log(a) - math.log(b) for a, b in zip(p, g, strict=True)]
    worse = [max(a / b, b / a) for a, b in zip(p, g, strict=True)]
    variance = sum(e * e for e in logs) / n - (sum(logs) / n) ** 2
    return {
        "silog": 100 * math.sqrt(variance),
        "log10": sum(abs(math.log10(a) - math.log10(b)) for a, b in zip(p, g, strict=True)) / n,
        "abs_rel": sum(abs(a - b) / b for a, b in zip(p, g, strict=True)) / n,
        "sq_rel": sum((a - b) ** 2 / b for a, b in zip(p, g, strict=True)) / n,
        "rmse": math.sqrt(sum((a - b) ** 2 for a, b in zip(p, g, strict=True)) / n),
        "rmse_log": math.sqrt(sum(e * e for e in logs) / n),
        "d1": sum(r < 1.25 for r in worse) / n,
        "d2": sum(r < 1.5625 for r in worse) / n,
        "d3": sum(r < 1.953125 for r in worse) / n,
    }


@pytest.mark.parametrize("cap", [80.0, 50.0])
@pytest.mark.parametrize("name", ["bts", "kb_garg", "eigen", "full"])
def test_figures_equal_the_slow_formula(name: str, cap: float):
    prediction, truth = pair()
    found = score(prediction, truth, PROTOCOLS[name], [cap])[f"{name}_cap{cap:g}"]
    assert tuple(found.metrics) == DEPTH_METRICS
    expected = slow_figures(prediction, truth, RECTANGLES[name], cap)
    assert found.metrics == pytest.approx(expected, rel=1e-9)


def test_benchmark_figures_fill_holes_and_have_no_cap():
    rng = np.random.default_rng(1)
    truth = np.zeros(SIZE, np.float32)
    truth[rng.random(SIZE) < 0.01] = 90.0
    truth[300, 500:510] = 20.0
    prediction = np.full(CROP, 99.0, np.float32)
    # The truth's ten pixels: a hole between 10 m and 25 m, which takes the farther one.
    prediction[300 - CROP_TOP, 480 - CROP_LEFT : 520 - CROP_LEFT] = 0
    prediction[300 - CROP_TOP, 479 - CROP_LEFT] = 10
    prediction[300 - CROP_TOP, 520 - CROP_LEFT] = 25
    truth[300, :480] = truth[300, 520:] = 0
    truth[300, 480:500] = truth[300, 510:520] = 0
    top, bottom, left, right = RECTANGLES["benchmark"]
    far = np.count_nonzero(truth[top:bottom, left:right] == 90)
    found = score(prediction, truth, PROTOCOLS["benchmark"], [80])["benchmark"]
    assert found.pixels == far + 10
    logs = [math.log(1.1)] * far + [math.log(1.25)] * 10
    mean = sum(logs) / len(logs)
    expected = {
        "silog": 100 * math.sqrt(sum((e - mean) ** 2 for e in logs) / len(logs)),
        "sq_error_rel": 100 * (far * 0.01 + 10 * 0.0625) / (far + 10),
        "abs_error_rel": 100 * (far * 0.1 + 10 * 0.25) / (far + 10),
        "irmse": 1000
        * math.sqrt((far * (1 / 99 - 1 / 90) ** 2 + 10 * (1 / 25 - 1 / 20) ** 2) / (far + 10)),
    }
    assert found.metrics == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_windows_of_kittis_sizes(name: str):
    window = PROTOCOLS[name].window(*SIZE)
    assert (window.top, window.bottom, window.left, window.right) == RECTANGLES[name]


def test_smaller_frames_are_not_cropped():
    garg = (76, 185, 22, 598)  # of 187x621
    for name, expected in {"bts": garg, "kb_garg": garg, "benchmark": (0, 187, 0, 621)}.items():
        window = PROTOCOLS[name].window(187, 621)
        assert (window.top, window.bottom, window.left, window.right) == expected


def test_a_whole_prediction_scores_like_its_crop():
    crop, truth = pair()
    whole = np.full(SIZE, 7.0, np.float32)
    whole[CROP_TOP:, CROP_LEFT : CROP_LEFT + CROP[1]] = crop
    for name in ("bts", "kb_garg", "eigen", "benchmark"):
        of_crop, of_whole = (score(p, truth, PROTOCOLS[name], [80.0]) for p in (crop, whole))
        for key, found in of_crop.items():
            assert found.metrics == of_whole[key].metrics
            assert found.outside == 0
    outside = score(crop, truth, PROTOCOLS["full"], [80.0])["full_cap80"].outside
    counted = (truth > 0) & (truth < 80)
    assert outside == np.count_nonzero(counted) - np.count_nonzero(
        counted[CROP_TOP:, CROP_LEFT : CROP_LEFT + CROP[1]]
    )
    assert outside > 100


def test_the_edges_of_the_valid_range_do_not_count():
    truth = np.zeros((187, 621), np.float32)
    truth[100, 300:304] = 80.0, 79.0, np.float32(1e-3), 2e-3
    found = score(np.full_like(truth, 5), truth, PROTOCOLS["bts"], [80.0])["bts_cap80"]
    assert found.pixels == 2


def test_wrong_sizes_and_empty_windows_are_errors():
    truth = np.zeros(SIZE, np.float32)
    with pytest.raises(HmaDepthError, match="no pixel has ground truth for bts_cap80"):
        score(np.ones(CROP, np.float32), truth, PROTOCOLS["bts"], [80.0])
    with pytest.raises(
        HmaDepthError,
        match=r"prediction is 621x187, its ground truth 1242x375, .* 1242x375 or, .* 1216x352",
    ):
        score(np.ones((187, 621), np.float32), truth, PROTOCOLS["bts"], [80.0])


def test_clean_follows_bts():
    depth = np.array([-1, 0, 1e-4, 5, 90, np.inf, -np.inf, np.nan], np.float32)
    expected = np.array([1e-3, 1e-3, 1e-3, 5, 50, 50, 1e-3, 1e-3], np.float32)
    np.testing.assert_array_equal(clean(depth, 50), expected)


def test_quantise_cuts_down_and_saturates():
    depth = np.array([1.0, 1 + 1.99 / 256, np.nan, np.inf, 300, -2], np.float32)
    expected = np.array([256, 257, 0, 65535, 65535, 0]) / 256
    np.testing.assert_array_equal(quantise(depth), expected)


def test_fill_holes():
    nan, inf = np.nan, np.inf
    depth = [[0, 0, 0], [nan, 3, 0], [4, inf, 9], [-1, 0, 0], [0, 0, 0]]
    filled = [[3, 3, 3], [3, 3, 3], [4, 9, 9], [4, 9, 9], [4, 9, 9]]
    np.testing.assert_array_equal(fill_holes(np.array(depth, np.float32)), filled)
    empty = np.zeros((2, 2), np.float32)
    np.testing.assert_array_equal(fill_holes(empty), empty)
    np.testing.assert_array_equal(fill_holes(np.full((2, 2), np.inf, np.float32)), empty)


def test_bins_by_distance():
    truth = np.array([5.0, 9.9, 10.0, 44.0])
    guess = np.array([6.0, 9.9, 8.0, 55.0])
    rows = bin_errors(bin_sums(guess, truth, cap=45) * 2, cap=45)  # as of two such images
    assert [(row["from"], row["to"], row["pixels"]) for row in rows] == [
        (0, 10, 4), (10, 20, 2), (40, 45, 2)
    ]  # fmt: skip
    assert [row["abs_rel"] for row in rows] == pytest.approx([0.1, 0.2, 0.25])
    assert [row["rmse"] for row in rows] == pytest.approx([math.sqrt(0.5), 2, 11])
    assert [row["bias"] for row in rows] == pytest.approx([0.5, -2, 11])


def test_bootstrap_agrees_with_the_normal_approximation():
    values = np.random.default_rng(3).normal([1.0, 5.0], [0.2, 1.0], (400, 2))
    low, high = confidence_interval(values)
    half = 1.96 * values.std(axis=0) / math.sqrt(len(values))
    np.testing.assert_allclose(low, values.mean(axis=0) - half, atol=0.15 * half.max())
    np.testing.assert_allclose(high, values.mean(axis=0) + half, atol=0.15 * half.max())


def test_bootstrap_over_scenes_draws_whole_scenes():
    """Nine images of a scene that are alike are one: the interval is that of the scenes."""
    of_scenes = np.random.default_rng(4).normal(0.2, 0.05, (20, 1))
    images = np.repeat(of_scenes, 9, axis=0)
    scenes = [f"drive {number // 9:02}" for number in range(180)]
    alone = confidence_interval(of_scenes)
    np.testing.assert_allclose(confidence_interval(images, scenes), alone, rtol=1e-12)
    by_image = np.ptp(confidence_interval(images))
    assert np.ptp(alone) == pytest.approx(3 * by_image, rel=0.15)
    # Scenes of one image each are images.
    each = [str(number) for number in range(180)]
    assert np.ptp(confidence_interval(images, each)) == pytest.approx(by_image, rel=0.1)


def test_bootstrap_agrees_with_scipy():
    """Of images, and of scenes that differ in size and level."""
    random = np.random.default_rng(5)
    scenes = np.repeat(np.arange(30), random.integers(1, 40, 30))
    values = random.gamma(2, random.uniform(0.02, 0.2, 30)[scenes])

    def mean(drawn: npt.NDArray[np.int64]) -> float:
        return float(np.concatenate([values[scenes == scene] for scene in drawn]).mean())

    for ours, theirs in (
        (confidence_interval(values[:, None]), bootstrap((values,), np.mean, method="percentile")),
        (
            confidence_interval(values[:, None], scenes.astype(str).tolist()),
            bootstrap((np.arange(30),), mean, method="percentile", n_resamples=2000),
        ),
    ):
        low, high = theirs.confidence_interval
        np.testing.assert_allclose(ours[:, 0], [low, high], atol=0.12 * (high - low))


def test_large_scenes_weigh_as_much_as_their_images():
    values = np.array([[0.0]] * 9 + [[1.0]])
    low, high = confidence_interval(values, ["a"] * 9 + ["b"])
    assert (low[0], high[0]) == (0.0, 1.0)  # a or b alone, a quarter of the draws each
    draws = confidence_interval(values, ["a"] * 9 + ["b"], share=0.2)
    assert draws[0, 0] == draws[1, 0] == pytest.approx(0.1)  # both: the mean over images


def test_protocol_names():
    assert [p.name for p in protocols_by_name(["eigen", "bts"])] == ["eigen", "bts"]
    with pytest.raises(HmaDepthError, match="no protocol 'kbgarg'; did you mean 'kb_garg'"):
        protocols_by_name(["kbgarg"])
    with pytest.raises(HmaDepthError, match="named twice"):
        protocols_by_name(["bts", "bts"])
