"""The commands of docs/training.md, word for word, on folders like KITTI's.

Only the network and its crops are made small, by keys before those of the documentation; what it
leaves open by `...` is the data. torchrun is left out: the tests of several processes have it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.kitti.calibration import KittiCalibration
from hma_depth_ros.network.checkpoint import read_info

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")

DAY = "2011_09_26"
HELD_OUT = f"{DAY}_drive_0001_sync"
#: Frames of each drive: one that the documentation holds out, one to train on, one of Eigen's test.
TRAIN, TEST = {HELD_OUT: 2, f"{DAY}_drive_0005_sync": 8}, {f"{DAY}_drive_0002_sync": 1}

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
    "optimiser.batch_size=2",
    "data.workers=0",
    "run.tensorboard=false",
)
OPEN = ["--data", "ROOT", "--split", "eigen_train_files_with_gt.txt", "--output", "runs/{number}"]


def _commands(text: str) -> list[list[str]]:
    """Words of each command line of a document's blocks of `sh`."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words for words in commands if "hma_depth_ros" in words]


def _argv(words: list[str], number: int) -> list[str]:
    """What the package gets of a command."""
    start = words.index("hma_depth_ros") + 1
    places = {"/data/kitti": "ROOT", "$row": "resnext50"}
    words = [re.sub(r"/data/kitti|\$row", lambda m: places[m[0]], w) for w in words[start:]]
    if "..." in words:
        at = words.index("...")
        words[at:] = [word.format(number=number) for word in OPEN]
    name, *rest = words
    if name in {"train", "ablate"} and "--resume" not in rest:
        rest = [*SMALL, *rest]
    if name == "ablate":
        rest += ["--seeds", "1"]
    return [name, *rest]


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


def test_they_run_as_they_stand(here: Path, capsys: pytest.CaptureFixture[str]):
    commands = _commands(TRAINING)
    assert [words[words.index("hma_depth_ros") + 1] for words in commands] == [
        *("train", "evaluate_kitti"),
        *["train"] * 5,
        "ablate",
    ]
    for number, words in enumerate(commands):
        argv = _argv(words, number)
        assert run(argv) == 0, (argv, capsys.readouterr().err)
    info = read_info(here / "runs" / "resnet50" / "best.safetensors")
    assert info.training["held_out"] == {HELD_OUT: 2}
    assert info.model.encoder == "mobilenetv3_small_050"
    assert set(info.evaluation["bts, cap 80 m"]) == {"all", HELD_OUT.removesuffix("_sync")}
    assert (here / "runs" / "ablation" / "ablation.md").read_text().count("\n") == 6
    printed = capsys.readouterr().out
    assert "  preset: densenet161\n" in printed, "of --print-config"
    assert "kb_garg_cap50" in printed

    assert "`train --resume runs/resnet50`" in TRAINING
    assert run(["train", "--resume", "runs/resnet50"]) == 0
