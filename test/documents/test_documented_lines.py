"""Every line of the documents is one that works: some are run, of all the options are looked at."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hma_depth_ros.cli import NODES, run
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.synthetic.kitti_writer import write_kitti_drive
from hma_depth_ros.synthetic.synthetic_drive import SyntheticDrive

from .documented import PAGES, REPOSITORY, Block, blocks, blocks_run_by, commands

BLOCKS = [block for page in PAGES for block in blocks(page)]
#: With the page.
COMMANDS = [
    (block.page.stem, words)
    for block in BLOCKS
    if block.language == "sh"
    for words in commands(block.text)
]
TRAININGS = [(page, words) for page, words in COMMANDS if words[0] in {"train", "ablate"}]
CAMERA = PinholeCamera(fx=120.0, fy=120.0, cx=79.5, cy=31.5, width=160, height=64)


def test_commands_are_found_in_what_a_shell_takes():
    text = """
for row in a b; do
  N=$((n++)) python3 -m hma_depth_ros train --preset $row \\
    --output runs/$row ... &  # beside the others
done; wait
for seed in $(seq 3001 3060); do
  python3 -m hma_depth_ros synthetic_drive --seed $seed --drive $((9000 + seed - 3000))
done
export KEYS=$PWD/keys
export PROFILE=$(python3 -m hma_depth_ros transport_profile)
ros2 run hma_depth_ros rig_node --ros-args -p cameras:="[front, rear]" && ros2 topic list
ros2 launch hma_depth_ros depth.launch.py rviz:=true
kitti_to_bag DRIVE [--ground-truth DIR]
pip install hma_depth_ros
"""
    assert commands(text) == [
        ["train", "--preset", "b", "--output", "runs/b"],
        ["synthetic_drive", "--seed", "3060", "--drive", "9060"],
        ["transport_profile"],
        ["rig_node", "--ros-args", "-p", "cameras:=[front, rear]"],
        ["depth.launch.py", "rviz:=true"],
        ["kitti_to_bag", "DRIVE", "--ground-truth", "DIR"],
    ]


def test_all_commands_of_the_documents_are_seen():
    """Those in blocks without a language would not be."""
    assert [str(b) for b in BLOCKS if not b.language and "hma_depth_ros " in b.text] == []
    assert len(COMMANDS) > 40
    assert {words[0] for _, words in COMMANDS} > {"depth_node", "rig.launch.py", "train"}


class Parsed(Exception):  # noqa: N818  # no error: the options are fine
    """A command has understood its options, and is to do no more."""


@pytest.fixture
def only_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end when they have read their options."""
    for name in ("parse_args", "parse_intermixed_args"):
        original = getattr(argparse.ArgumentParser, name)

        def parse(*args: Any, original: Any = original, **given: Any) -> None:
            original(*args, **given)
            raise Parsed

        monkeypatch.setattr(argparse.ArgumentParser, name, parse)


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_options_are_those_of_the_command(page: str, words: list[str], only_parsing: None):
    name, *rest = words
    if name.endswith(".launch.py"):
        check_launch(name, rest)
    elif name in {"depth_node", "rig_node", "accuracy_monitor"}:
        check_node(name, rest)
    else:
        own = rest[: rest.index("--ros-args")] if name in NODES and "--ros-args" in rest else rest
        with pytest.raises(Parsed):
            run([name, *own])


def check_launch(name: str, rest: Sequence[str]) -> None:
    """Arguments are those that `make api` has found in the launch file, or handed on."""
    page = "bags.md" if name.startswith("replay") else "node.md"
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    tables = re.findall(rf"<!-- {re.escape(name)}\S*: .*?<!-- end -->", text, re.DOTALL)
    known = set(re.findall(r"`(\w+)`", "".join(tables)))
    assert {word.partition(":=")[0] for word in rest} <= known


def check_node(name: str, rest: Sequence[str]) -> None:
    """Parameters and topics are the node's; of a rig they may be one camera's."""
    from hma_depth_ros.ros.accuracy.monitor_parameters import MonitorParameters
    from hma_depth_ros.ros.depth_node.image_input import INPUTS
    from hma_depth_ros.ros.depth_node.outputs import output_types
    from hma_depth_ros.ros.depth_node.rig_parameters import RigParameters

    assert rest[0] == "--ros-args"
    topics = {*INPUTS, *output_types((8, 4, 2, 1), confidence=True)}
    parameters = {field.name for field in fields(RigParameters)}
    if name == "accuracy_monitor":
        topics = {"depth/image", "depth/camera_info", "lidar"}
        parameters = {field.name for field in fields(MonitorParameters)}
    for flag, word in zip(rest[1::2], rest[2::2], strict=True):
        if flag in {"--enclave", "--params-file", "--log-level"}:  # ROS's own
            continue
        assert flag in {"-p", "-r"}
        own, _, value = word.partition(":=")
        assert value
        if name == "rig_node" and own not in parameters:
            own = re.sub(r"^front[./]", "", own)
        assert own in (topics if flag == "-r" else parameters), word


@pytest.mark.parametrize(("page", "words"), TRAININGS)
def test_keys_are_those_of_a_training(
    page: str, words: list[str], capsys: pytest.CaptureFixture[str]
):
    keys = [word for word in words[1:] if re.match(r"[a-z]+\.[a-z_]+=", word)]
    preset = words[words.index("--preset") + 1] if "--preset" in words else "resnet50"
    assert run(["train", "--preset", preset, *keys, "--print-config"]) == 0, capsys.readouterr().err


def test_blocks_that_are_said_to_be_run_are_run():
    """The test that a page names takes the blocks of that page."""
    named = {(block.test, block.page.name) for block in BLOCKS if block.test is not None}
    assert len(named) > 5
    for test, page in named:
        assert test is not None
        source = (REPOSITORY / test).read_text(encoding="utf-8")
        assert f'"{page}"' in source, (test, page)
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    comments = sum(len(re.findall("^<!-- run by", text, re.MULTILINE)) for text in texts)
    assert comments == sum(block.test is not None for block in BLOCKS), "a block follows each"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_all(found: Sequence[Block], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run each command but those of `ros2 launch`; return their names."""
    names = []
    for words in (words for block in found for words in commands(block.text)):
        if not words[0].endswith(".launch.py"):
            assert run(words) == 0, (words, capsys.readouterr().err)
            names.append(words[0])
    return names


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a rendered drive in KITTI's layout."""
    root = tmp_path_factory.mktemp("kitti")
    write_kitti_drive(SyntheticDrive(seed=5, frames=2, camera=CAMERA, sampling=1), root)
    return root


def test_a_picture(here: Path, drive: Path, capsys: pytest.CaptureFixture[str]):
    image = next(drive.rglob("image_02/data/*.png"))
    shutil.copy(image, here / "image.png")
    shutil.copy(next(drive.rglob("calib_cam_to_cam.txt")), here)
    assert run_all(blocks_run_by(__file__, "start.md"), capsys) == ["predict"]
    assert {path.suffix for path in (here / "out").iterdir()} >= {".png", ".ply"}


def test_the_library():
    (block,) = blocks_run_by(__file__, "library.md")
    names: dict[str, Any] = {"image": np.zeros((375, 1242, 3), np.uint8)}
    exec(block.text, names)
    prediction = names["prediction"]
    assert prediction.depth.shape == (375, 1242)
    assert prediction.attention.shape == (4, 375, 1242)
    assert prediction.points.shape == (375, 1242, 3)


def test_bags(here: Path, drive: Path, capsys: pytest.CaptureFixture[str]):
    for calibration in drive.glob("2011_09_26/*.txt"):
        (here / "2011_09_26").mkdir(exist_ok=True)
        shutil.copy(calibration, here / "2011_09_26")
    for folder in drive.rglob("*_drive_9001_sync"):  # recording, and true depth
        place = here / folder.relative_to(drive).with_name("2011_09_26_drive_0001_sync")
        shutil.copytree(folder, place)
    names = run_all(blocks_run_by(__file__, "bags.md"), capsys)
    assert names == ["kitti_to_bag", "process_bag", "evaluate_bag"]
    assert "AbsRel" in capsys.readouterr().out


def test_small_things(capsys: pytest.CaptureFixture[str]):
    assert run_all(blocks_run_by(__file__, "node.md"), capsys) == ["transport_profile"]
    assert Path(capsys.readouterr().out.strip()).is_file()
