"""A network that is told the ground hears of the mount from whatever runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hma_depth_ros.cli import run_command, train
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.html_report.training_page import write_training_page
from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    read_info,
    save_checkpoint,
)
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

from .runs import SHORT, arguments, write_drives

MOUNT = Mount(2.4, 0.05)
TOLD = ["--camera-height", "2.4", "--camera-pitch", "0.05"]


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drives")
    write_drives(root, drives=1, frames=6)
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ModelConfig(
        "test_efficientnet", (32, 24, 16, 8, 8), aspp_channels=8, geometry="ground"
    )
    ranges = dict.fromkeys(("near", "far"), (0.0, 1.0))
    info = CheckpointInfo(
        config, Preprocessing(input_width=160, focal_length=92.953), depth_ranges=ranges
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("ground") / "ground.safetensors"
    save_checkpoint(path, HmaDepth(config), info)
    return path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Mount]:
    """Mounts of which the network's maps were computed."""
    mounts: list[Mount] = []

    def noted(info: Any, size: Any, camera: Any, mount: Mount) -> torch.Tensor | None:
        mounts.append(mount)
        return camera_input(info, size, camera, mount)

    monkeypatch.setattr("hma_depth_ros.inference.predictor.camera_input", noted)
    return mounts


def command_lines(drives: Path, checkpoint: Path, output: Path) -> dict[str, list[Any]]:
    image = next(drives.rglob("image_02/data/*.png"))
    split = ["--split", drives / "val.txt", "--data", drives]
    network = ["--checkpoint", checkpoint]
    return {
        "predict": [image, "--fx", 100, "--output", output, *network],
        "evaluate_kitti": [*split, *network, "--protocols", "full"],
        "height_scale": [*split, *network],
        "mask_shares": [*split, *network],
        "pseudo_labels": [*split, *network],
        "record_depth_ranges": [*split, *network, "--output", output / "ranges.safetensors"],
        "judge_depth": [*split, "--checkpoint", output / "ranges.safetensors"],
    }


def test_every_command_tells_the_network_how_the_camera_is_mounted(
    drives: Path, checkpoint: Path, seen: list[Mount], tmp_path: Path
):
    for name, line in command_lines(drives, checkpoint, tmp_path).items():
        for told, mount in (([], USUAL_MOUNT), (TOLD, MOUNT)):
            seen.clear()
            assert run_command(name, [str(word) for word in [*line, *told]]) == 0, name
            assert set(seen) == {mount}, name


def test_view_tells_it_too(drives: Path, checkpoint: Path, seen: list[Mount], tmp_path: Path):
    pytest.importorskip("rerun")
    image = next(drives.rglob("image_02/data/*.png"))
    line = [image, "--fx", 100, "--save", tmp_path / "a.rrd", "--checkpoint", checkpoint, *TOLD]
    assert run_command("view", [str(word) for word in line]) == 0
    assert set(seen) == {MOUNT}


def test_no_mount_is_told_to_predictions(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    stored = ["--predictions", str(tmp_path), "--ground-truth", str(drives)]
    assert run_command("evaluate_kitti", [*stored, "--camera-height", "2"]) == 2
    assert "--predictions" in capsys.readouterr().err
    for wrong in (["--camera-height", "0"], ["--camera-pitch", "3"]):
        line = ["--data", str(drives), "--split", str(drives / "val.txt"), *wrong]
        assert run_command("evaluate_kitti", line) == 2
        assert "--camera-height is in metres" in capsys.readouterr().err


def test_kept_predictions_are_of_one_mount(
    drives: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    kept = tmp_path / "kept"
    line = ["--data", drives, "--split", drives / "val.txt", "--checkpoint", checkpoint]
    usual = [
        str(word) for word in [*line, "--predictions-dir", kept, "--json", tmp_path / "o.json"]
    ]
    assert run_command("evaluate_kitti", usual) == 0
    assert "mount" not in json.loads((kept / "predictions.json").read_text())
    assert run_command("evaluate_kitti", [*usual, *TOLD]) == 2
    assert "2.4 m, 0.05 rad" in capsys.readouterr().err


def test_training_validates_and_records_with_the_heights_that_it_tells(
    drives: Path, seen: list[Mount], tmp_path: Path
):
    """Its validation frames are at crop.camera_height, its training frames at their lists'."""
    run = tmp_path / "run"
    told = ["model.geometry=ground", "crop.camera_height=1.9", "data.camera_heights=[2.4]"]
    line = arguments(drives, run, *SHORT, *told, "optimiser.epochs=1", "data.workers=0")
    assert train.main(line) == 0
    # One map for each height is computed and kept, since all frames are of one camera.
    assert seen[0] == Mount(1.9)
    assert seen[-1] == Mount(2.4)
    assert set(seen) == {Mount(1.9), Mount(2.4)}
    assert read_info(run / "last.safetensors").depth_ranges
    seen.clear()
    write_training_page(tmp_path / "page.html", run)
    assert set(seen) == {Mount(1.9)}, "its frames are those of the validation"


def test_ranges_are_recorded_with_the_height_of_each_lists_camera(
    drives: Path,
    checkpoint: Path,
    seen: list[Mount],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    line = ["--checkpoint", checkpoint, "--output", tmp_path / "o.safetensors", "--data", drives]
    line += ["--split", drives / "train.txt", "--split", drives / "val.txt"]

    def run(*heights: float) -> int:
        told = [word for height in heights for word in ("--camera-height", height)]
        return run_command("record_depth_ranges", [str(word) for word in [*line, *told]])

    for heights in ((2.4, 1.9), (1.9, 2.4)):
        seen.clear()
        assert run(*heights) == 0
        assert [mount.height for mount in dict.fromkeys(seen)] == [*heights]
    assert run(2.4, 1.9, 1.7) == 2
    assert "3 --camera-height for 2 --split: give one for all" in capsys.readouterr().err
    assert run(2.4, -1) == 2
    assert "--camera-height is in metres" in capsys.readouterr().err
