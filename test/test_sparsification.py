"""Whether a stated uncertainty tells the errors: on constructed errors, and through the command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import read_rgb, write_png
from hma_depth_ros.evaluation.protocols import PROTOCOLS
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.evaluation.sparsification import (
    METRICS,
    ORDERS,
    STEPS,
    areas,
    calibration,
    calibration_sums,
    curves,
    remaining_mean,
    shares_within,
)
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.visualization.palette import LIGHT, rgb


def area(p: np.ndarray, g: np.ndarray, sigma: np.ndarray, metric: str, order: str) -> float:
    found = areas(curves(p, g, sigma))
    return float(found[METRICS.index(metric), ORDERS.index(order)])  # type: ignore[arg-type]


def errors(n: int = 5000, *, far: float = 79) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground truth, prediction and the sigma of ln(depth) that its errors were drawn with."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, far, n)
    sigma = rng.uniform(0.02, 0.4, n)
    return truth * np.exp(sigma * rng.standard_normal(n)), truth, sigma


# --- sparsification -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 50, 777])
def test_what_remains_equals_the_slow_formula(n: int):
    rng = np.random.default_rng(n)
    cost, order = rng.random(n), rng.permutation(n).astype(float)
    kept = sorted(zip(order, cost, strict=True))
    expected = []
    for step in range(STEPS):
        remain = max(math.ceil(n * (STEPS - step) / STEPS), 1)
        expected.append(sum(c for _, c in kept[:remain]) / remain)
    np.testing.assert_allclose(remaining_mean(cost, order), expected, rtol=1e-12)


def test_an_order_that_tells_nothing_apart_leaves_the_error_as_it_is():
    p, g, _ = errors()
    assert remaining_mean(np.abs(p - g), np.full(p.size, 0.3)) == pytest.approx(
        np.full(STEPS, np.mean(np.abs(p - g)))
    )
    for metric in METRICS:
        # The file's order of pixels is no knowledge.
        sorted_p, sorted_g = (values[np.argsort(np.abs(p - g))] for values in (p, g))
        nothing = np.full(p.size, 0.3)
        if metric == "abs_rel":
            same = area(sorted_p, sorted_g, nothing, metric, "uncertainty")
            assert same == pytest.approx(area(p, g, nothing, metric, "random"))
        assert area(p, g, nothing, metric, "random") > 0


def test_a_perfect_uncertainty_is_the_oracle_and_its_reverse_worse_than_chance():
    p, g, _ = errors()
    relative = np.abs(p - g) / g
    assert area(p, g, relative, "abs_rel", "uncertainty") == pytest.approx(0.0, abs=1e-12)
    assert area(p, g, np.abs(p - g) / p, "rmse", "uncertainty") == pytest.approx(0.0, abs=1e-9)
    reverse = area(p, g, 1 / relative, "abs_rel", "uncertainty")
    assert reverse > 1.5 * area(p, g, relative, "abs_rel", "random") > 0


def test_the_area_of_evenly_spread_errors():
    """Relative errors 0 ... 1: 1/2 remains by chance and (1 - f)/2 by the oracle."""
    n = 100_000
    g = np.full(n, 10.0)
    p = g * (1 + np.linspace(0, 1, n))
    random = area(p, g, np.ones(n), "abs_rel", "random")
    last = (STEPS - 1) / STEPS
    assert random == pytest.approx(last**2 / 4, rel=1e-3)


def test_the_true_sigma_sorts_better_than_depth():
    p, g, sigma = errors()
    for metric in METRICS:
        own, depth, random, oracle = (area(p, g, sigma, metric, order) for order in ORDERS)
        assert oracle == 0
        assert own < 0.7 * depth
        assert own < 0.7 * random


def test_depth_is_removed_from_the_farthest_on():
    g = np.array([10.0] * 50 + [40.0] * 50)
    p = g * np.where(g > 20, 1.5, 1.0)  # wrong where it is far
    assert area(p, g, np.ones(100), "abs_rel", "depth") == pytest.approx(0.0, abs=1e-12)
    assert area(1 / p, 1 / g, np.ones(100), "abs_rel", "depth") > 0.1


# --- calibration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "one", "two"), [(1.0, 0.6827, 0.9545), (0.5, 0.3829, 0.6827), (2.0, 0.9545, 0.9999)]
)
def test_gaussian_errors_are_within_what_is_stated(stated: float, one: float, two: float):
    p, g, sigma = errors(200_000, far=30)  # the cap, which helps, is out of reach
    sums = calibration_sums(p.clip(max=80), g, stated * sigma, cap=80.0)
    of_all = shares_within(sums[0].sum(axis=0))
    assert of_all["pixels"] == 200_000
    assert of_all["within_1_sigma"] == pytest.approx(one, abs=0.01)
    assert of_all["within_2_sigma"] == pytest.approx(two, abs=0.01)
    by_depth = calibration(sums[0], cap=80.0)
    assert [(row["from"], row["to"]) for row in by_depth] == [(0, 10), (10, 20), (20, 30)]
    for row in by_depth:
        assert row["within_1_sigma"] == pytest.approx(one, abs=0.02)
        assert row["mean_sigma"] == pytest.approx(stated * 0.21, rel=0.05)


def test_calibration_is_by_either_distance():
    g, p = np.array([5.0, 5.0, 35.0, 35.0]), np.array([5.0, 15.0, 35.0, 80.0])
    sums = calibration_sums(p, g, np.full(4, 0.1), cap=80.0)
    true, predicted = (calibration(part, cap=80.0) for part in sums)
    assert [(row["from"], row["pixels"], row["within_1_sigma"]) for row in true] == [
        (0, 2, 0.5),
        (30, 2, 0.5),
    ]
    assert [(row["from"], row["pixels"], row["within_1_sigma"]) for row in predicted] == [
        (0, 1, 1.0),
        (10, 1, 0.0),
        (30, 1, 1.0),
        (70, 1, 0.0),  # the cap itself
    ]
    assert true[1]["mean_log_error"] == pytest.approx(math.log(80 / 35) / 2)


# --- pixels that count --------------------------------------------------------------------------

HEIGHT, WIDTH = 375, 1242


def test_only_pixels_that_were_predicted_with_an_uncertainty_are_judged():
    truth = np.zeros((HEIGHT, WIDTH), np.float32)
    truth[160:370:3, 50:1190:3] = 20.0
    crop = np.full((352, 1216), 22.0, np.float32)
    sigma = np.full((352, 1216), 0.2, np.float32)
    sigma[:, :600] = np.nan
    protocol = PROTOCOLS["full"]
    truth[5, :] = 20.0  # above the crop
    found = score(crop, truth, protocol, [80.0, 100.0], uncertainty=sigma)
    for one in found.values():
        inside = int(np.count_nonzero(truth)) - one.outside
        assert one.outside > 0
        assert one.reliability is not None
        stated = one.reliability.calibration[0].sum(axis=0)
        assert one.reliability.without > 1000
        assert stated[0] == inside - one.reliability.without
        assert stated[1] == stated[0]  # |ln 1.1| < 0.2
    assert score(crop, truth, protocol, [80.0])["full_cap80"].reliability is None
    nowhere = score(crop, truth, protocol, [80.0], uncertainty=np.full_like(sigma, np.nan))
    assert nowhere["full_cap80"].reliability is None
    uncapped = score(crop, truth, PROTOCOLS["benchmark"], [80.0], uncertainty=sigma)
    assert uncapped["benchmark"].reliability is None


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A list of two frames with ground truth."""
    rng = np.random.default_rng(0)
    lines = []
    for name in ("a", "b"):
        noise = rng.integers(0, 255, (9, 30, 3), np.uint8).repeat(45, 0).repeat(45, 1)
        write_png(tmp_path / f"{name}.png", noise[:HEIGHT, :WIDTH])
        truth = rng.uniform(2, 79, (HEIGHT, WIDTH)) * (rng.random((HEIGHT, WIDTH)) < 0.05)
        write_depth_png(tmp_path / "truth" / f"{name}.png", truth)
        lines.append(f"{name}.png truth/{name}.png 700 700 620 170")
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights that states an uncertainty."""
    config = ModelConfig(
        "mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8, uncertainty=True
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(config)
    path = tmp_path_factory.mktemp("uncertain") / "tiny.safetensors"
    save_checkpoint(path, model, CheckpointInfo(config, Preprocessing(input_width=160)))
    return path


def evaluate(data: Path, *options: object) -> dict[str, Any]:
    output = data / "o.json"
    arguments = ["--data", data, "--split", data / "list.txt", "--json", output, *options]
    assert run(["evaluate_kitti", *map(str, arguments)]) == 0
    found: dict[str, Any] = json.loads(output.read_text())
    return found


@pytest.mark.parametrize("flip", [False, True])
def test_the_networks_own_uncertainty_is_judged(
    data: Path, uncertain: Path, capsys: pytest.CaptureFixture[str], flip: bool
):
    options = ["--checkpoint", uncertain, "--device", "cpu", "--protocols", "full"]
    options += ["--flip"] if flip else []
    found = evaluate(data, *options, "--sparsification")["full_cap80"]["reliability"]
    printed = capsys.readouterr().out
    assert "area between sparsification and oracle (AUSE), 2 images" in printed
    assert "within what is stated" in printed
    predictor = DepthPredictor.from_checkpoint(uncertain, device="cpu")
    camera = PinholeCamera(700.0, 700.0, 620.0, 170.0, WIDTH, HEIGHT)
    within = pixels = 0.0
    for name in ("a", "b"):
        image = read_rgb(data / f"{name}.png")
        one = predictor.predict(image, camera)
        assert one.depth is not None
        assert one.uncertainty is not None
        depth, sigma = one.depth, one.uncertainty
        if flip:
            other = predictor.predict(np.ascontiguousarray(image[:, ::-1]), camera.mirrored())
            assert other.depth is not None
            assert other.uncertainty is not None
            depth = (depth + other.depth[:, ::-1]) * np.float32(0.5)
            sigma = (sigma + other.uncertainty[:, ::-1]) * np.float32(0.5)
        truth = np.asarray(Image.open(data / "truth" / f"{name}.png"), np.float32) / 256
        known = truth > 0
        error = np.abs(np.log(np.clip(depth, 1e-3, 80)[known] / truth[known]))
        within += np.count_nonzero(error <= sigma[known])
        pixels += np.count_nonzero(known)
    overall = found["calibration"]["overall"]
    assert overall["pixels"] == pixels
    assert overall["within_1_sigma"] == pytest.approx(within / pixels, abs=2e-3)
    assert 0 < overall["within_1_sigma"] < 1
    ause = found["ause"]["abs_rel"]
    assert found["ause_over_by_depth"]["abs_rel"] == ause["uncertainty"] / ause["depth"]


def test_kept_uncertainties_are_reused_and_are_predictions_of_their_own(
    data: Path, uncertain: Path, capsys: pytest.CaptureFixture[str]
):
    keep = ["--checkpoint", uncertain, "--device", "cpu", "--predictions-dir", data / "kept"]
    without = evaluate(data, *keep)["bts_cap80"]
    assert without["reliability"] is None
    assert not (data / "kept" / "uncertainty").exists()
    fresh = evaluate(data, *keep, "--sparsification")["bts_cap80"]
    assert fresh["mean"] == without["mean"]
    sigma = np.load(data / "kept" / "uncertainty" / "a.npy")
    assert sigma.shape == (352, 1216)
    again = evaluate(data, *keep, "--sparsification")["bts_cap80"]
    assert again == fresh
    assert "2 predictions are in" in capsys.readouterr().out

    np.save(data / "kept" / "uncertainty" / "a.npy", np.full_like(sigma, 9.0))
    changed = evaluate(data, *keep, "--sparsification")["bts_cap80"]["reliability"]
    overall = changed["calibration"]["overall"]
    assert overall["mean_sigma"] > 4
    stored = evaluate(data, "--predictions", data / "kept", "--sparsification")
    assert stored["bts_cap80"]["reliability"] == changed

    np.save(data / "kept" / "uncertainty" / "a.npy", sigma[1:])
    arguments = ["evaluate_kitti", "--data", data, "--split", data / "list.txt", "--sparsification"]
    assert run([*map(str, arguments), "--predictions", str(data / "kept")]) == 2
    assert "uncertainty and depth are of different sizes, 1216x351" in capsys.readouterr().err


def test_the_curves_are_drawn(data: Path, uncertain: Path):
    plot = data / "curves.png"
    evaluate(data, "--checkpoint", uncertain, "--device", "cpu", "--sparsification-plot", plot)
    with Image.open(plot) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    for color in (*LIGHT.series[:3], LIGHT.faint_ink):
        assert np.count_nonzero((pixels == rgb(color)).all(axis=2)) > 100


def test_a_source_without_uncertainty_says_so_in_one_line(
    data: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    plot = data / "curves.png"
    options = ("--device", "cpu", "--sparsification-plot", plot)
    found = evaluate(data, "--checkpoint", tiny_checkpoint, *options)
    assert found["bts_cap80"]["reliability"] is None
    assert not plot.exists()
    told = [line for line in capsys.readouterr().out.splitlines() if "sparsification" in line]
    assert len(told) == 1
    assert told[0].startswith("no sparsification, for no uncertainty is stated: tiny.safetensors")

    for name in ("a", "b"):
        np.save(data / "truth" / f"{name}.npy", np.full((HEIGHT, WIDTH), 20, np.float32))
    (data / "predictions").mkdir()
    for path in (data / "truth").glob("*.npy"):
        path.rename(data / "predictions" / path.name)
    evaluate(data, "--predictions", data / "predictions", "--sparsification")
    told = [line for line in capsys.readouterr().out.splitlines() if "sparsification" in line]
    assert told == [
        "no sparsification, for no uncertainty is stated: "
        f"{data / 'predictions' / 'uncertainty'} has no npy"
    ]


def test_kept_predictions_are_of_their_cameras(
    data: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
):
    keep = ("--checkpoint", tiny_checkpoint, "--device", "cpu", "--predictions-dir", data / "kept")
    split = data / "list.txt"
    lines = split.read_text().splitlines()
    split.write_text(lines[0] + "\n")
    evaluate(data, *keep)
    split.write_text("\n".join(lines) + "\n")  # a frame more goes on
    evaluate(data, *keep)
    split.write_text("\n".join(line.replace(" 620 ", " 610 ") for line in lines) + "\n")
    capsys.readouterr()
    arguments = ["evaluate_kitti", "--data", data, "--split", split, *keep]
    assert run([*map(str, arguments)]) == 2
    error = capsys.readouterr().err
    assert "holds predictions of 2 frames made with other cameras, the first a with" in error
    assert "[700.0, 700.0, 620.0, 170.0], not [700.0, 700.0, 610.0, 170.0]" in error
