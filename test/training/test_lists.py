"""The frames of a run: which are trained on, and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hma_depth_ros.cli import run_command, train
from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import short_paths
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.training.held_out import hold_out
from hma_depth_ros.training.lists import Lists, camera_heights, read_lists
from hma_depth_ros.training.run_config import DataSection

from .runs import SHORT, write_drives

FIRST, SECOND = "2011_09_26_drive_9001_sync", "2011_09_26_drive_9002_sync"


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drives")
    write_drives(root, drives=2, frames=8)
    return root


def _drives(entries: list[SplitEntry]) -> list[str | None]:
    return [kitti_drive_name(entry.image) for entry in entries]


def _read(root: Path, *hold: str, validation: str | None = None) -> Lists:
    validation = None if validation is None else str(root / validation)
    return read_lists(
        DataSection(train=(str(root / "train.txt"),), validation=validation, hold_out=hold)
    )


def test_frames_trained_on_are_known_through_a_link_too(drives: Path, tmp_path: Path):
    (tmp_path / "linked").symlink_to(drives)
    entries = read_located_split(drives / "train.txt", tmp_path / "linked")
    write_split(tmp_path / "val.txt", entries)
    with pytest.raises(HmaDepthError, match="has 8 frames that are trained on too"):
        _read(drives, validation=str(tmp_path / "val.txt"))


@pytest.mark.parametrize("name", [FIRST, FIRST.removesuffix("_sync")])
def test_a_drive_is_taken_out_of_training_and_validated_by(drives: Path, name: str):
    found = _read(drives, name)
    assert _drives(found.training) == [SECOND] * 4
    assert _drives(found.validation) == [FIRST] * 4
    assert found.held_out == {FIRST: 4}


def test_a_validation_list_counts_beside_it_each_frame_once(drives: Path):
    """The list names every second frame of each drive, the training list the others."""
    found = _read(drives, FIRST, validation="val.txt")
    assert _drives(found.validation) == [FIRST] * 4 + [SECOND] * 4 + [FIRST] * 4
    # Named by both, as where the validation list was made of the same drive.
    lines = (drives / "train.txt").read_text().splitlines(keepends=True)
    (drives / "first.txt").write_text("".join(line for line in lines if FIRST in line))
    same = _read(drives, FIRST, validation="first.txt")
    assert _drives(same.training) == [SECOND] * 4
    assert _drives(same.validation) == [FIRST] * 4


@pytest.mark.parametrize(
    ("drives_held", "message"),
    [
        (["2011_09_26_drive_9011"], f"no training list has frames of .*; did you mean {FIRST}"),
        ([FIRST, SECOND], "takes all 8 frames out of training"),
    ],
)
def test_what_cannot_be_held_out_is_named(drives: Path, drives_held: list[str], message: str):
    with pytest.raises(HmaDepthError, match=message):
        _read(drives, *drives_held)


def test_scenes_of_nyu_are_held_out_by_their_folder():
    entries = [SplitEntry(Path("/n", scene, "rgb_00001.jpg"), Path("d"), 518.8) for scene in "aab"]
    found = hold_out(entries, ["a"], dataset="nyu")
    assert [entry.image.parent.name for entry in found.training] == ["b"]
    assert found.frames == {"a": 1}  # named twice, validated by once


def test_the_checkpoint_records_what_was_held_out(
    drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = tmp_path / "run"
    argv = ["--preset", "tiny", "--split", str(drives / "train.txt"), "--hold-out", SECOND]
    short = [*SHORT, "optimiser.epochs=1", "data.workers=0"]
    assert train.main([*argv, "--output", str(run), *short]) == 0
    assert "4 frames (4 held out), 2 steps an epoch" in capsys.readouterr().out
    info = read_info(run / "best.safetensors")
    assert info.training["held_out"] == {SECOND: 4}
    assert set(info.evaluation["whole, cap 80 m"]) == {"all", SECOND.removesuffix("_sync")}
    # It belongs to the run's configuration.
    assert run_command("train", ["--resume", str(run), "--hold-out", FIRST]) == 2
    assert "own configuration, which --hold-out would change" in capsys.readouterr().err
    assert run_command("train", ["--resume", str(run)]) == 0


def test_lists_of_one_file_name_are_told_apart():
    paths = [
        "/data/mini/split.txt",
        "/data/more/split.txt",
        "/other/more/split.txt",
        "/data/val.txt",
    ]
    assert short_paths(paths) == {
        "/data/mini/split.txt": "mini/split.txt",
        "/data/more/split.txt": "data/more/split.txt",
        "/other/more/split.txt": "other/more/split.txt",
        "/data/val.txt": "val.txt",
    }
    assert short_paths(["a/split.txt", "a/./split.txt"]), "twice the same list has no other name"


def test_each_list_tells_how_high_its_camera_is(drives: Path):
    train = (str(drives / "train.txt"), str(drives / "other.txt"))
    (drives / "other.txt").write_text((drives / "val.txt").read_text())
    section = DataSection(train=train, camera_heights=(1.65, 2.4))
    lists = read_lists(section)
    heights = camera_heights(lists, section)
    assert {heights[entry.image] for entry in read_located_split(drives / "other.txt")} == {2.4}
    assert {heights[entry.image] for entry in read_located_split(drives / "train.txt")} == {1.65}
    assert camera_heights(lists, DataSection(train=train)) == {}
    with pytest.raises(HmaDepthError, match=r"data\.camera_heights has 1 numbers for the 2 lists"):
        camera_heights(lists, DataSection(train=train, camera_heights=(1.65,)))
