"""Where each scale wins, on parts of frames that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hma_depth_ros.cli import mask_shares, run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.evaluation.mask_regions import MaskShares, regions
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

ROWS, COLUMNS, FOCAL, HORIZON = 188, 621, 360.0, 86


def scene() -> np.ndarray:
    """A flat road, a post 8 m away on it, sky without depth."""
    below = np.arange(ROWS) - HORIZON
    column = np.where(below > 3, 1.65 * FOCAL / np.maximum(below, 1), 0)
    depth = np.repeat(column[:, None], COLUMNS, axis=1).astype(np.float32)
    depth[60:160, 300:320] = 8
    return depth


def test_parts_are_where_they_should_be():
    depth = scene()
    parts = regions(depth, np.ones_like(depth), FOCAL, np.random.default_rng(0))
    edge = parts["boundaries"]
    assert edge[100, 300]
    assert edge[100, 319]
    assert not edge[100, 310]
    assert not edge[150, 100]
    assert (parts["away from boundaries"] == ~edge).all()
    assert parts["road"][150, 100]
    assert not parts["road"][100, 310]
    assert not parts["road"][20, 100]
    assert parts["nearer than 10 m"][100, 310]
    assert parts["beyond 30 m"].sum() > 0
    assert not (parts["nearer than 10 m"] & parts["10 to 30 m"]).any()


def test_boundaries_of_sparse_truth_are_the_predictions():
    truth = scene()
    truth[np.random.default_rng(0).random(truth.shape) < 0.8] = 0
    predicted = np.full_like(truth, 20)
    predicted[:, 500:] = 10
    found = regions(truth, predicted, FOCAL, np.random.default_rng(0))["boundaries"]
    assert (found == found[:1]).all()
    columns = np.flatnonzero(found[0])
    assert (columns.min(), columns.max()) == (498, 502)  # about column 500, the nearer side


def test_holes_of_dense_truth_are_no_boundaries_and_the_sky_is_far():
    """As stereo's and disparity's: of KITTI's, 38 % is known."""
    truth = scene()
    whole = regions(truth, np.ones_like(truth), FOCAL, np.random.default_rng(0))["boundaries"]
    holed = truth.copy()
    holed[120:150, 100:200] = 0  # of the road
    found = regions(holed, np.ones_like(truth), FOCAL, np.random.default_rng(0))["boundaries"]
    assert (found == whole).all()
    # Above the horizon the post stands before the sky, if that is known to be there.
    assert not found[70, 290:330].any()
    sky = truth == 0
    sky[:, 400:] = False
    seen = regions(holed, np.ones_like(truth), FOCAL, np.random.default_rng(0), sky=sky)
    assert seen["boundaries"][70, 300] and seen["boundaries"][70, 319]
    assert not seen["boundaries"][110:155, 105:195].any()


def test_shares_are_means_over_pixels_of_all_frames():
    shares = MaskShares(2)
    parts = {"left": np.arange(10)[None] < 4}
    shares.add(np.stack([np.full((1, 10), 0.75), np.full((1, 10), 0.25)]), parts)
    shares.add(np.stack([np.full((1, 10), 0.25), np.full((1, 10), 0.75)]), parts)
    shares.add(np.stack([np.full((1, 10), 0.2), np.full((1, 10), 0.8)]), parts)
    assert shares.pixels["left"] == 12
    assert shares.mean_weights()["left"] == pytest.approx([0.4, 0.6])
    assert shares.win_shares()["left"] == pytest.approx([1 / 3, 2 / 3])


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write_png(tmp_path / "a.png", np.full((ROWS, COLUMNS, 3), 90, np.uint8))
    write_depth_png(tmp_path / "depth.png", scene())
    path = tmp_path / "list.txt"
    write_split(path, [SplitEntry(tmp_path / "a.png", tmp_path / "depth.png", FOCAL)])
    return path


def checkpoint(folder: Path, *, attention: bool) -> Path:
    config = ModelConfig(
        "mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8, attention=attention
    )
    path = folder / "model.safetensors"
    save_checkpoint(path, HmaDepth(config), CheckpointInfo(config, Preprocessing(input_width=160)))
    return path


def test_the_command(split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "shares.json"
    arguments = ["--split", str(split), "--json", str(out)]
    arguments += ["--checkpoint", str(checkpoint(tmp_path, attention=True))]
    assert mask_shares.main(arguments) == 0
    found = json.loads(out.read_text())
    assert found["scales"] == ["H/8", "H/4", "H/2", "H"]
    assert found["pixels"]["all"] == ROWS * COLUMNS
    for values in found["weights"].values():
        assert sum(values) == pytest.approx(1, abs=1e-5)
    assert "boundaries" in capsys.readouterr().out


def test_without_attention_there_is_nothing_to_show(
    split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = checkpoint(tmp_path, attention=False)
    assert run_command("mask_shares", ["--split", str(split), "--checkpoint", str(path)]) == 2
    assert "without attention" in capsys.readouterr().err
