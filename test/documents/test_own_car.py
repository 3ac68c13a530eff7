"""The commands of docs/own_car.md on a rendered car with another camera, in small."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.inference.engines.model_file import read_model_info
from hma_depth_ros.network.checkpoint import read_info

from .documented import blocks_run_by

#: In place of the streets' length and the images' size, both cameras of one field of view.
SMALLER = {"60": "5", "480x288": "160x96", "400": "133.3"}
#: After what the page says; the network is `tiny_checkpoint`, of images 48 pixels wide.
QUICK = (
    *("optimiser.epochs=10", "optimiser.batch_size=2", "optimiser.learning_rate=3e-3"),
    *("data.workers=0", "run.tensorboard=false", "run.log_every=100"),
)


def commands() -> list[list[str]]:
    """Words of each command, the loop over streets unrolled."""
    tutorial = blocks_run_by(__file__, "own_car.md")
    block = "".join(part.text for part in tutorial).replace("\\\n", " ")
    loop = re.search(r"for street in ([\d ]+); do\n(.*?)done\n", block, re.DOTALL)
    assert loop is not None
    turns = [loop[2].replace("$street", number) for number in loop[1].split()]
    lines = [*"".join(turns).splitlines(), *block[loop.end() :].splitlines()]
    return [shlex.split(line)[3:] for line in lines if line.strip()]


@pytest.mark.long
def test_they_run_and_the_network_learns(
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    names = []
    for words in commands():
        argv = [SMALLER.get(word, word) for word in words]
        if argv[0] == "train":
            argv += [f"model.weights={tiny_checkpoint}", *QUICK]
        if argv[0] == "evaluate_kitti":
            argv = [str(tiny_checkpoint) if word == "bundled" else word for word in argv]
        assert run(argv) == 0, (argv, capsys.readouterr().err)
        names.append(argv[0])
    assert names == [
        *["synthetic_drive"] * 4,
        *("bag_to_dataset", "bag_to_dataset", "train", "evaluate_kitti"),
        *("process_bag", "evaluate_bag", "export"),
    ]
    report = json.loads(Path("mycar/report.json").read_text())
    assert report["camera"]["fx"] == 133.3
    assert report["mount"]["height"] == pytest.approx(2.2, abs=0.15)
    assert report["mount"]["pitch"] == pytest.approx(0.07, abs=0.015)
    info = read_info(Path("runs/mycar/best.safetensors"))
    assert info.training["camera"]["mount_height"] == report["mount"]["height"]
    (gain,) = json.loads(Path("result.json").read_text())["full_cap80"]["minus_first"].values()
    assert gain["abs_rel"]["second"] < 0.5 * gain["abs_rel"]["first"], "on a street held out"
    # What runs is what was scored: the same street, all of its frames, by its LiDAR.
    at_work = json.loads(Path("bag.json").read_text())["full_cap80"]["mean"]
    assert at_work["abs_rel"] < 0.5 * gain["abs_rel"]["first"]
    assert read_model_info(Path("mycar.xml")).preprocessing == info.preprocessing
