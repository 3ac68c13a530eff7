"""The commands of docs/own_car.md on a rendered car with another camera, in small."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from pathlib import Path

import pytest

from hma_depth_ros.cli import run
from hma_depth_ros.inference.engines.model_file import read_model_info
from hma_depth_ros.network.checkpoint import read_info

from .documented import blocks_run_by

#: In place of the streets' length and the images' size, both cameras of one field of view.
SMALLER = {"24": "5", "480x288": "160x96", "400": "133.3"}
#: Of the streets that a loop goes through, by its first one: so many are enough.
STREETS = {1: 3, 41: 1}
#: After what the page says; the network is `tiny_checkpoint`, of images 48 pixels wide.
QUICK = (
    *("optimiser.epochs=5", "data.epoch_frames=20", "optimiser.batch_size=2"),
    "optimiser.learning_rate=3e-3",
    *("data.workers=0", "run.tensorboard=false", "run.log_every=100"),
)


def commands() -> tuple[list[list[str]], list[list[str]]]:
    """Words of each command, loops over streets unrolled; and of those that run side by side."""
    *tutorial, live = blocks_run_by(__file__, "own_car.md")
    block = "".join(part.text for part in tutorial).replace("\\\n", " ")
    loop = re.compile(r"for street in \$\(seq (\d+) (\d+)\); do\n(.*?)done\n", re.DOTALL)
    assert len(loop.findall(block)) == len(STREETS)
    block = loop.sub(_turns, block)
    return _words(block), _words(live.text.replace("\\\n", " "))


def _turns(loop: re.Match[str]) -> str:
    """The first turns of a loop over streets."""
    first, last = int(loop[1]), int(loop[2])
    assert STREETS[first] <= last - first + 1
    return "".join(loop[3].replace("$street", str(first + n)) for n in range(STREETS[first]))


def _expanded(words: list[str]) -> list[str]:
    """Names of files in place of patterns, as the shell does."""
    found = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
    assert all(found), words
    return [word for some in found for word in some]


def _words(block: str) -> list[list[str]]:
    return [shlex.split(line, comments=True)[3:] for line in block.splitlines() if line.strip()]


def live_error(programs: list[list[str]], *, checkpoint: Path, frames: int, logs: Path) -> float:
    """AbsRel that the monitor says of so many frames or more, node and replay beside it.

    Args:
        programs: words of node, monitor and replay, as the page has them.
        checkpoint: in place of the page's.
        frames: that are to be scored.
        logs: folder for what they say.

    """
    from hma_depth_ros.demo.children import Children
    from hma_depth_ros.demo.environment import free_domain, isolated_environment

    node, monitor, replay = programs
    node = [f"checkpoint:={checkpoint}" if w.startswith("checkpoint:=") else w for w in node]
    node = [*node, *("-p", "device:=cpu", "-p", "engine:=torch", "-p", "threads:=1")]
    monitor = [*monitor, "-p", "log_period:=0.1"]
    replay = [*replay, "--loop", *("--wait-timeout", "1000"), *("--lockstep-timeout", "1000")]
    said = re.compile(r"abs_rel (\d\.\d+).*?(\d+) scored so far")
    with Children(logs, isolated_environment(free_domain(), logs / "ros")) as children:
        program = [sys.executable, "-m", "hma_depth_ros"]
        children.start("node", [*program, *node])
        log = children.start("monitor", [*program, *monitor]).log
        children.start("replay", [*program, *replay])
        deadline = time.monotonic() + 1000
        while True:
            children.check()
            found = said.findall(log.read_text(encoding="utf-8"))
            if found and int(found[-1][1]) >= frames:
                return float(found[-1][0])
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.2)


@pytest.mark.long
def test_they_run_and_the_network_learns(
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    names = []
    alone, side_by_side = commands()
    for words in alone:
        argv = _expanded([SMALLER.get(word, word) for word in words])
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
    pytest.importorskip("rclpy")
    assert [words[0] for words in side_by_side] == ["depth_node", "accuracy_monitor", "replay_bag"]
    before, after = (
        live_error(side_by_side, checkpoint=checkpoint, frames=5, logs=tmp_path / checkpoint.stem)
        for checkpoint in (tiny_checkpoint, Path("runs/mycar/best.safetensors"))
    )
    assert before == pytest.approx(gain["abs_rel"]["first"], rel=0.2), "the same street"
    assert after < 0.5 * before
