"""What looks at no pixel: the mean depth of the training frames, and a road with a wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.cli import baselines, run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.depth.stored_depth import read_stored_depth
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.evaluation.baselines import GroundAndWall, MeanDepth

ROWS, COLUMNS = 94, 311
FOCAL = 180.0


def entry(folder: Path, name: str, depth: np.ndarray) -> SplitEntry:
    image = folder / f"2011_09_26_drive_0001_{name}_2.png"
    write_png(image, np.zeros((*depth.shape, 3), np.uint8))
    truth = folder / f"depth_{name}.png"
    write_depth_png(truth, depth.astype(np.float32))
    return SplitEntry(image, truth, FOCAL)


def street(horizon: float = 0.45, height: float = 1.7, wall: float = 20.0) -> np.ndarray:
    share = (np.arange(ROWS) + 0.5) / ROWS
    road = height * FOCAL / ROWS / np.maximum(share - horizon, 1e-6)
    return np.repeat(np.minimum(road, wall)[:, None], COLUMNS, axis=1)


def test_the_mean_is_taken_place_by_place_and_where_depth_is_known(tmp_path: Path):
    first, second = np.full((ROWS, COLUMNS), 10.0), np.full((ROWS, COLUMNS), 30.0)
    second[:, 100:] = 0
    second[:50] = first[:50] = 0
    mean = MeanDepth.of([entry(tmp_path, "0", first), entry(tmp_path, "1", second)])
    found = mean.depth((2 * ROWS, 2 * COLUMNS), 2 * FOCAL)
    assert found.shape == (2 * ROWS, 2 * COLUMNS)
    assert found[150, 100] == pytest.approx(20)
    assert found[150, 400] == pytest.approx(10)
    # Where nothing is known: what is known nearby.
    assert found[0, 0] == pytest.approx(20, abs=1)
    assert found[0, 600] == pytest.approx(10, abs=1)


def test_the_plane_that_made_the_depth_is_found(tmp_path: Path):
    fitted = GroundAndWall.of([entry(tmp_path, "0", street())])
    assert fitted.height == pytest.approx(1.7, abs=0.051)
    assert fitted.horizon == pytest.approx(0.45, abs=0.011)
    assert fitted.wall == pytest.approx(20, abs=0.1)
    found = fitted.depth((2 * ROWS, 2 * COLUMNS), 2 * FOCAL)  # twice as large: the same metres
    assert found[::2, ::2] == pytest.approx(street(), rel=0.12)


def test_the_command_writes_what_evaluate_kitti_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    split = tmp_path / "list.txt"
    frames = [street(wall=16), street(wall=24)]
    write_split(split, [entry(tmp_path, f"{i:010}", depth) for i, depth in enumerate(frames)])
    arguments = ["--train", str(split), "--split", str(split), "--output", str(tmp_path / "out")]
    assert baselines.main(arguments) == 0
    assert "wall at" in capsys.readouterr().out
    first, _ = sorted((tmp_path / "out" / "mean_depth").iterdir())
    assert read_stored_depth(first)[10] == pytest.approx(np.full(COLUMNS, 20), abs=0.1)
    arguments = ["--predictions", str(tmp_path / "out/ground_and_wall"), "--data", str(tmp_path)]
    arguments += ["--split", str(split), "--protocols", "full"]
    assert run_command("evaluate_kitti", arguments) == 0
    assert "2 of 2 frames scored" in capsys.readouterr().out


def test_nothing_to_learn_from_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    one = entry(tmp_path, "0", street())
    split = tmp_path / "list.txt"
    write_split(split, [SplitEntry(one.image, None, FOCAL)])
    arguments = ["--train", str(split), "--split", str(split), "--output", str(tmp_path / "out")]
    assert run_command("baselines", arguments) == 2
    assert "no frame of the list has ground truth" in capsys.readouterr().err
