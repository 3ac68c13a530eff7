"""The commands that take KITTI's folders, word for word as docs/ has them, on folders like these.

Only the network and its crops are made small, by keys before those of the documentation; what it
leaves open by `...` is the data. torchrun is left out: the tests of several processes have it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.geometry.window import kitti_crop
from hma_depth_ros.network.checkpoint import read_info

from .documented import blocks_run_by, commands

REPOSITORY = Path(__file__).resolve().parents[2]

DAY = "2011_09_26"
HELD_OUT = f"{DAY}_drive_0001_sync"
#: Frames of each drive: one that the documentation holds out, one to train on, one of Eigen's test.
TESTED = f"{DAY}_drive_0002_sync"
TRAIN, TEST = {HELD_OUT: 2, f"{DAY}_drive_0005_sync": 8}, {TESTED: 1}

#: In place of the big networks and what they take.
SMALL = (
    "model.encoder=mobilenetv3_small_050",
    "model.decoder_channels=[16, 16, 8, 8, 8]",
    "model.aspp_channels=8",
    "model.weights=random",
    "crop.height=32",
    "crop.width=64",
    "crop.input_width=128",
    "crop.focal_length=75.9",
    "optimiser.epochs=1",
    "data.epoch_frames=8",  # presets have more
    "optimiser.batch_size=2",
    "data.workers=0",
    "run.tensorboard=false",
    "run.log_every=1",
)
#: In place of what the pages that train the small models say.
LESS = {
    **{f"optimiser.epochs={many}": "optimiser.epochs=1" for many in (2, 6, 8, 10, 90)},
    **{f"optimiser.batch_size={many}": "optimiser.batch_size=2" for many in (8, 64)},
    "data.epoch_frames=1600": "data.epoch_frames=8",
    "compute.precision=bf16": "compute.precision=auto",  # which not every CPU has
    "621x188": "124x38",
}
OPEN = ["--data", "ROOT", "--split", "eigen_train_files_with_gt.txt", "--output", "runs/{number}"]


def _argv(words: list[str], number: int) -> list[str]:
    """What the package gets of a command."""
    places = {"/data/kitti": "ROOT", "KITTI": "ROOT", "FILE": "runs/resnet50/best.safetensors"}
    name, *rest = (LESS.get(word, places.get(word, word)) for word in words)
    if name not in {"train", "ablate"} or "--print-config" in rest:
        return [name, *rest]
    listed = "--split" in rest  # lists of a page lie under their own folders
    for flag, value in zip(OPEN[::2], OPEN[1::2], strict=True):
        if flag not in rest and not (listed and flag == "--data"):
            rest += [flag, value.format(number=number)]
    seeds = ["--seeds", "1"] if name == "ablate" else []
    return [name, *SMALL, *rest, *seeds]


def _run_all(page: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run all blocks of a page that name this test; names of the commands."""
    names = []
    words = [w for block in blocks_run_by(__file__, page) for w in commands(block.text)]
    for number, (name, *rest) in enumerate(words):
        argv = _argv([name, *rest], number)
        assert run(argv) == 0, (argv, capsys.readouterr().err)
        names.append(name)
    return names


def _write_frames(root: Path, drives: dict[str, int], split: Path) -> None:
    lines = []
    for drive, frames in drives.items():
        for number in range(5, 5 + frames):
            image = f"{DAY}/{drive}/image_02/data/{number:010}.png"
            depth = f"{drive}/proj_depth/groundtruth/image_02/{number:010}.png"
            row, column = np.mgrid[0:375, 0:1242]
            picture = np.stack([row % 256, column % 256, (row + number) % 256], -1)
            (root / "kitti_raw" / image).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "kitti_raw" / image), picture.astype(np.uint8))
            far = np.where(column % 4 == 0, 1.65 * 721 / np.maximum(row - 159.0, 15), 0)
            write_depth_png(root / "data_depth_annotated" / "train" / depth, far)
            lines.append(f"{image} {depth} 721.5377\n")
    split.write_text("".join(lines))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ROOT and BTS's lists, as the current one."""
    root = tmp_path / "ROOT"
    _write_frames(root, TRAIN, tmp_path / "eigen_train_files_with_gt.txt")
    _write_frames(root, TEST, tmp_path / "eigen_test_files_with_gt.txt")
    KittiCalibration.standard().write(root / "kitti_raw" / DAY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_training(here: Path, capsys: pytest.CaptureFixture[str]):
    names = _run_all("training.md", capsys)
    assert names == ["train", "evaluate_kitti", *["train"] * 5, "ablate"]
    info = read_info(here / "runs" / "resnet50" / "best.safetensors")
    assert info.training["held_out"] == {HELD_OUT: 2}
    assert info.model.encoder == "mobilenetv3_small_050"
    assert set(info.evaluation["bts, cap 80 m"]) == {"all", HELD_OUT.removesuffix("_sync")}
    assert (here / "runs" / "ablation" / "ablation.md").read_text().count("\n") == 6
    printed = capsys.readouterr().out
    assert "  preset: densenet161\n" in printed, "of --print-config"
    assert "kb_garg_cap50" in printed

    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    assert "`train --resume runs/resnet50`" in page
    assert run(["train", "--resume", "runs/resnet50"]) == 0


def _write_lists(here: Path, names: dict[str, str]) -> None:
    """Lists of the frames to train on and to validate by, with absolute paths, by split."""
    for name, split in names.items():
        raw, annotated = here / "ROOT" / "kitti_raw", here / "ROOT" / "data_depth_annotated"
        (here / name).parent.mkdir(exist_ok=True)
        with (here / name).open("w") as file:
            for line in (here / split).read_text().splitlines():
                image, depth, focal_length = line.split()
                file.write(f"{raw / image} {annotated / 'train' / depth} {focal_length}\n")


@pytest.mark.long  # four variants, and the bundled network's own evaluation
def test_ablation_and_how_the_bundled_model_was_trained(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    train, test = "eigen_train_files_with_gt.txt", "eigen_test_files_with_gt.txt"
    _write_lists(here, {"kitti.txt": train, "rendered.txt": train, "val.txt": test})
    mounts = (1.2, 1.45, 2.0, 2.5, "more", 1.3, 1.5, 1.85, 2.25)
    mounted = [f"rendered_{mount}" for mount in mounts]
    _write_lists(here, {f"{name}/split.txt": train for name in ("TRAIN", "MORE", *mounted)})
    _write_lists(here, {"VAL/split.txt": test})
    assert _run_all("ablation.md", capsys) == ["ablate"]
    assert (here / "ablation" / "ablation.md").read_text().count("\n") == 6

    names = _run_all("model_card.md", capsys)
    scored = ["evaluate_kitti", "evaluate_kitti", "baselines", "evaluate_kitti"]
    first = ["synthetic_drive", "make_split", "train", "train"]
    scenes = [*["synthetic_drive"] * 4, "make_split", "train", "train"]
    heights = [*["synthetic_drive"] * 5, "make_split", "train", "train"]
    assert names == [*scored, *first, *scenes, *heights]
    told = read_info(here / "runs" / "heights" / "best.safetensors").model
    assert told.geometry == "ground", "as the bundled model"
    assert told.uncertainty


def test_what_bts_has_predicted(here: Path, capsys: pytest.CaptureFixture[str]):
    """And a network in its place."""
    predicted = here / "result_bts_eigen" / "raw"
    predicted.mkdir(parents=True)
    (truth,) = here.glob(f"ROOT/data_depth_annotated/train/{TESTED}/**/*.png")
    crop = kitti_crop(375, 1242).of(read_depth_png(truth))
    write_depth_png(predicted / f"{TESTED}_{truth.name}", np.where(crop > 0, crop, 80.0))
    names = _run_all("from_bts.md", capsys)
    assert names == ["evaluate_kitti", "train", "evaluate_kitti"]
    result = json.loads((here / "bts.json").read_text())
    for protocol in ("bts_cap80", "kb_garg_cap80"):
        assert result[protocol]["mean"]["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert [path.name for path in (here / "result").glob("*.png")] == [f"{TESTED}_{truth.name}"]


@pytest.mark.long  # the bundled network goes through every frame
def test_reports(here: Path, bag: Path, capsys: pytest.CaptureFixture[str]):
    """Every kind of page, by its own command and of what that leaves."""
    shutil.copy(here / "eigen_train_files_with_gt.txt", here / "ROOT" / "split.txt")
    for name in ("TRAIN", "VAL"):
        (here / name).symlink_to("ROOT")
    shutil.copytree(bag, here / "drive_bag")
    left = {
        "evaluate_kitti": ["--json", "val.json", "--panels", "panels"],
        "benchmark": ["--json", "speed.json", "--rounds", "1", "--cameras", "0"],
    }
    direct, later = (commands(block.text) for block in blocks_run_by(__file__, "reports.md"))
    pages = set()
    for number, words in enumerate([*direct, *later]):
        argv = [*_argv(words, number), *left.get(words[0], [])]
        assert run(argv) == 0, (argv, capsys.readouterr().err)
        page = here / next(word for word in words if word.endswith(".html"))
        assert "<main>" in page.read_text(encoding="utf-8"), words
        pages.add(page.name)
        page.unlink()
    assert pages == {"val.html", "depth.html", "bag.html", "run.html", "speed.html"}
    assert [words[0] for words in direct] == [
        *("evaluate_kitti", "process_bag", "evaluate_bag", "train", "benchmark")
    ]
    assert {words[0] for words in later} == {"report"}


def test_evaluation_and_lists(
    here: Path,
    tiny_checkpoint: Path,
    uncertain_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
):
    shutil.copy(tiny_checkpoint, here / "model.safetensors")
    for path in here.glob("ROOT/data_depth_annotated/train/*/**/*.png"):
        place = here / "DIR" / f"{path.parents[3].name}_{path.name}"
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, place)
    _write_lists(here, {"DIR/split.txt": "eigen_test_files_with_gt.txt"})
    shutil.copy(uncertain_checkpoint, here / "MODEL")
    assert _run_all("evaluation.md", capsys) == ["evaluate_kitti"] * 3
    assert "AUSE" in capsys.readouterr().out
    assert (here / "curves.png").is_file()
    assert _run_all("datasets.md", capsys) == ["check_dataset", "make_split", "make_split"]
