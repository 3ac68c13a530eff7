"""Boundary scores on depth whose boundaries are known to the pixel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.evaluation.boundaries import (
    boundary_figures,
    count_boundaries,
    is_dense,
    predicted_boundaries,
    total,
    true_boundaries,
)
from hma_depth_ros.evaluation.protocols import PROTOCOLS
from hma_depth_ros.evaluation.score import score

ROWS, COLUMNS, CAP = 60, 120, 80.0
LEFT, RIGHT = 40, 70  #: columns LEFT to RIGHT - 1 are a box at 10 m before a wall at 30 m


def box(shift: int = 0, *, near: float = 10.0, far: float = 30.0) -> np.ndarray:
    depth = np.full((ROWS, COLUMNS), far, np.float32)
    depth[:, LEFT + shift : RIGHT + shift] = near
    return depth


def figures(prediction: np.ndarray, truth: np.ndarray, **more: Any) -> dict[str, Any]:
    counted = np.ones(truth.shape, bool)
    return boundary_figures(count_boundaries(prediction, truth, counted, cap=CAP, **more))


def columns_of(pixels: np.ndarray) -> list[int]:
    assert (pixels == pixels[0]).all()
    return [int(column) for column in np.flatnonzero(pixels[0])]


# --- pixels -------------------------------------------------------------------------------------


def true_pixels(depth: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    return true_boundaries(depth, np.ones(depth.shape, bool) if known is None else known)[0]


@pytest.mark.parametrize("boundaries", [predicted_boundaries, true_pixels])
def test_a_boundary_is_the_nearer_pixel_of_a_step(boundaries: Callable[[np.ndarray], np.ndarray]):
    assert columns_of(boundaries(box())) == [LEFT, RIGHT - 1]
    assert columns_of(boundaries(box(near=30, far=10))) == [LEFT - 1, RIGHT]
    assert columns_of(boundaries(np.ascontiguousarray(box().T)).T) == [LEFT, RIGHT - 1]
    pole = np.full((5, 9), 30.0, np.float32)
    pole[:, 4] = 12.0
    assert columns_of(boundaries(pole)) == [4]
    assert not boundaries(box(near=10.0, far=10.9)).any()
    assert boundaries(box(near=10.0, far=11.1)).any()
    slope = np.tile(np.geomspace(3, 70, COLUMNS, dtype=np.float32), (ROWS, 1))
    assert not boundaries(slope).any()


def test_a_blurred_step_counts_once_where_it_is_steepest():
    row = np.array([10, 10, 12, 20, 25, 25], np.float32)
    assert columns_of(predicted_boundaries(np.tile(row, (4, 1)))) == [2]


def test_the_road_far_away_has_steps_but_no_boundary():
    """1.65 m below a camera of 360 pixels: from 60 m on, a row makes more than a tenth."""
    rows = np.arange(1.0, 40.0)[:, None]
    road = np.repeat(600 / rows, 30, axis=1).astype(np.float32)[::-1]
    found, slanted = true_boundaries(road, np.ones(road.shape, bool))
    assert not found.any()
    assert slanted[-9:-1].all()
    assert not slanted[:-12].any()
    holes = np.ones(road.shape, bool)
    holes[::3] = False
    assert not true_boundaries(road, holes)[0].any()
    car = road.copy()
    car[20:-6, 10:20] = road[20, 0]  # upright, from the road's row 20 on
    outline = true_boundaries(car, np.ones(road.shape, bool))[0]
    assert outline[-7, 11:19].all()  # its roof before the road behind it
    assert outline[-12:-7, 10].all()
    assert not outline[:, :9].any()


@pytest.mark.parametrize(("hole", "marked"), [(1, True), (3, True), (4, False)])
def test_holes_along_outlines_are_bridged(hole: int, marked: bool):
    known = np.ones((ROWS, COLUMNS), bool)
    known[:, LEFT - hole : LEFT] = False
    expected = [LEFT, RIGHT - 1] if marked else [RIGHT - 1]
    assert columns_of(true_pixels(box(), known)) == expected


# --- counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "one", "two"), [(0, 1.0, 1.0), (1, 1.0, 1.0), (2, 0.0, 1.0), (3, 0.0, 0.0)]
)
def test_a_shift_is_forgiven_up_to_the_tolerance(shift: int, one: float, two: float):
    found = figures(box(shift), box())
    assert found["true_pixels"] == found["predicted_pixels"] == 2 * ROWS
    for name, expected in (("1_px", one), ("2_px", two)):
        assert found[name] == {"precision": expected, "recall": expected, "f_score": expected}


def test_precision_and_recall_are_told_apart():
    missing = box()
    missing[: ROWS // 2] = 30.0  # half of the box is not seen, but a floor is made up
    found = figures(missing, box())["1_px"]
    floor = RIGHT - LEFT
    assert found["recall"] == pytest.approx((ROWS / 2 + 1) / ROWS)  # the floor's ends are near
    assert found["precision"] == pytest.approx(ROWS / (ROWS + floor - 2), abs=0.03)
    assert found["f_score"] == pytest.approx(
        2 * found["precision"] * found["recall"] / (found["precision"] + found["recall"])
    )
    flat = figures(np.full_like(box(), 20.0), box())["2_px"]
    assert flat == {"precision": None, "recall": 0.0, "f_score": 0.0}
    nothing = figures(box(), np.full_like(box(), 20.0))["2_px"]
    assert nothing == {"precision": 0.0, "recall": None, "f_score": None}


def test_predicted_boundaries_count_only_where_a_true_one_would_show():
    truth = np.full((ROWS, COLUMNS), 30.0, np.float32)
    truth[:, LEFT - 5 : LEFT + 3] = 0  # unknown
    found = figures(box(), truth)
    assert found["predicted_pixels"] == ROWS  # the other side of the box alone
    counted = np.zeros(truth.shape, bool)
    counted[:, : RIGHT - 10] = True
    assert count_boundaries(box(), truth, counted, cap=CAP).predicted == 0


def test_steps_of_the_road_are_no_mistakes():
    rows = np.arange(8.0, 60.0)[:, None]
    road = np.repeat(600 / rows, 30, axis=1).astype(np.float32)[::-1]
    assert predicted_boundaries(road).any()  # the last row that the cap does not reach
    assert figures(road, road)["predicted_pixels"] == 0


def test_errors_beside_boundaries_are_told_from_the_others():
    truth = box()
    prediction = truth.copy()
    prediction[:, RIGHT : RIGHT + 5] *= 1.5  # 1 to 5 pixels from the box's last column
    prediction[:, 100:] *= 1.2
    found = figures(prediction, truth)
    beside = 2 * (5 + 1 + 5)
    assert found["beside"]["pixels"] == beside * ROWS
    assert found["beside"]["abs_rel"] == pytest.approx(0.5 * 5 / beside)
    assert found["beside"]["rmse"] == pytest.approx(np.sqrt(15**2 * 5 / beside))
    assert found["away"]["pixels"] == (COLUMNS - beside) * ROWS
    assert found["away"]["abs_rel"] == pytest.approx(0.2 * 20 / (COLUMNS - beside), rel=1e-5)


def test_the_sky_is_behind_everything_where_it_is_labelled():
    truth, prediction = box(far=0.0), box(far=CAP)  # ground truth knows nothing of the sky
    assert figures(prediction, truth)["true_pixels"] == 0
    assert figures(prediction, truth)["predicted_pixels"] == 0
    sky = truth == 0
    found = figures(prediction, truth, sky=sky)
    assert found["true_pixels"] == found["predicted_pixels"] == 2 * ROWS
    assert found["1_px"]["f_score"] == 1.0
    assert found["beside"]["pixels"] == 2 * 6 * ROWS  # errors are of what is measured


def test_counts_add_up_over_images():
    counted = np.ones((ROWS, COLUMNS), bool)
    right = count_boundaries(box(), box(), counted, cap=CAP)
    wrong = count_boundaries(box(9), box(), counted, cap=CAP)
    found = boundary_figures(total([right, wrong, wrong, wrong]))
    assert found["true_pixels"] == 8 * ROWS
    assert found["2_px"]["f_score"] == pytest.approx(0.25)
    assert found["beside"]["pixels"] == 4 * 22 * ROWS


def test_scans_are_not_dense():
    dense = box()
    assert is_dense(dense)
    dense[np.random.default_rng(0).random(dense.shape) < 0.15] = 0
    assert is_dense(dense)
    scan = np.zeros_like(dense)
    scan[::3] = 20.0
    assert not is_dense(scan)
    assert not is_dense(np.zeros_like(dense))


def test_the_crop_alone_is_scored():
    """Outside of a cropped prediction there are no boundaries, though it is 0 there."""
    truth = np.full((375, 1242), 30.0, np.float32)
    truth[100:300, 300:700] = 10.0
    crop = truth[23:, 13 : 13 + 1216]
    for name in ("bts", "full"):
        found = score(crop, truth, PROTOCOLS[name], [CAP], boundaries=True)[f"{name}_cap80"]
        assert found.boundaries is not None
        counts = boundary_figures(found.boundaries)
        assert counts["1_px"] == {"precision": 1.0, "recall": 1.0, "f_score": 1.0}
        rows = 300 - (153 if name == "bts" else 100)
        top = 0 if name == "bts" else 400 - 2
        assert counts["true_pixels"] == 2 * rows + 400 - 2 + top
    assert score(crop, truth, PROTOCOLS["bts"], [CAP])["bts_cap80"].boundaries is None


# --- the command --------------------------------------------------------------------------------


def evaluate(folder: Path, truth: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
    image = folder / "DRIVE" / "image_02" / "data" / "a.png"
    write_png(image, np.full((ROWS, COLUMNS, 3), 90, np.uint8))
    write_depth_png(folder / "truth" / "a.png", truth)
    (folder / "predictions").mkdir(exist_ok=True)
    np.save(folder / "predictions" / "a.npy", prediction)
    (folder / "list.txt").write_text(f"{image.relative_to(folder)} truth/a.png 100\n")
    arguments = ["--data", folder, "--split", folder / "list.txt", "--protocols", "full"]
    options = ["--predictions", folder / "predictions", "--boundaries", "--json", folder / "o.json"]
    assert run(["evaluate_kitti", *map(str, [*arguments, *options])]) == 0
    found: dict[str, Any] = json.loads((folder / "o.json").read_text())["full_cap80"]
    return found


def test_the_command_scores_boundaries(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = evaluate(tmp_path, box(), box(2))["boundaries"]
    assert found["images"] == 1
    assert found["1_px"]["f_score"] == 0.0
    assert found["2_px"]["f_score"] == 1.0
    printed = capsys.readouterr().out
    assert "boundaries of things, over all pixels" in printed
    assert "F ↑ 2 px" in printed
    assert "RMSE m ↓ within 5 px" in printed


def test_labels_tell_the_command_where_the_sky_is(tmp_path: Path):
    from PIL import Image

    truth = box(far=0.0)
    labels = tmp_path / "DRIVE" / "semantic" / "a.png"
    labels.parent.mkdir(parents=True)
    Image.fromarray(np.where(truth == 0, 23, 7).astype(np.uint8)).save(labels)
    found = evaluate(tmp_path, truth, box(far=CAP))["boundaries"]
    assert found["true_pixels"] == 2 * ROWS
    assert found["1_px"]["f_score"] == 1.0
    labels.unlink()
    assert evaluate(tmp_path, truth, box(far=CAP))["boundaries"]["true_pixels"] == 0


def test_sparse_ground_truth_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    truth = np.zeros((ROWS, COLUMNS))
    truth[::3] = 20.0
    assert evaluate(tmp_path, truth, box())["boundaries"] is None
    told = [line for line in capsys.readouterr().out.splitlines() if "boundar" in line]
    assert len(told) == 1
    assert told[0].startswith("no boundaries: no frame has dense ground truth")
