"""`ablate`: every variant with every seed, one budget, a table of mean and spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hma_depth_ros.cli import run_command
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.network.checkpoint import read_info
from hma_depth_ros.training import ablation
from hma_depth_ros.training.ablation_variants import VARIANTS
from hma_depth_ros.training.config_file import load_config
from hma_depth_ros.training.lists import Lists
from hma_depth_ros.training.processes import Processes
from hma_depth_ros.training.run_folder import RunFolder

from .runs import SHORT, losses, run_train, write_drives


def _arguments(data: Path, output: Path, *more: str) -> list[str]:
    lists = ["--split", str(data / "train.txt"), "--validation", str(data / "val.txt")]
    short = [*SHORT, "optimiser.epochs=1", "data.workers=0"]
    variants = ["--variants", "scales_3", "no_attention", "--seeds", "2"]
    where = ["--preset", "tiny", "--data", str(data), *lists, "--output", str(output)]
    return [*where, *variants, *more, *short]


def test_the_variants_are_the_papers():
    changed = {v.key: v.change(load_config(preset="ablation_no_attention")) for v in VARIANTS}
    shapes = {key: (c.model.scales, c.model.attention, c.loss.form) for key, c in changed.items()}
    assert shapes == {
        "scales_4": (4, True, "silog"),
        "scales_3": (3, True, "silog"),
        "scales_5": (5, True, "silog"),
        "no_attention": (4, False, "silog"),
        "eq6": (4, True, "eq6"),
    }


def test_equation_6_is_compared_with_its_own_epsilon():
    """As the preset of the same name has it; all else is the same for all variants."""
    base = load_config(preset="resnet50")
    eq6 = next(v for v in VARIANTS if v.key == "eq6").change(base)
    preset = load_config(preset="ablation_eq6")
    assert eq6.optimiser.adam_epsilon == pytest.approx(preset.optimiser.adam_epsilon)
    assert replace(eq6.optimiser, adam_epsilon=1e-3) == base.optimiser
    others = [v.change(base) for v in VARIANTS if v.key != "eq6"]
    assert all(config.optimiser == base.optimiser for config in others)


def test_the_table_is_mean_and_spread_of_the_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_drives(tmp_path, drives=1, frames=8)
    output = tmp_path / "ablation"
    arguments = _arguments(tmp_path, output)
    assert run_command("ablate", arguments) == 0
    content = json.loads((output / "ablation.json").read_text())
    assert list(content) == ["scales_3", "no_attention"]
    row = content["no_attention"]
    assert row["seeds"] == [0, 1]
    infos = [read_info(output / "no_attention" / f"seed_{s}" / "last.safetensors") for s in (0, 1)]
    assert [info.model.attention for info in infos] == [False, False]
    found = [info.evaluation["whole, cap 80 m"]["all"]["abs_rel"] for info in infos]
    assert row["metrics"]["abs_rel"] == found
    assert found[0] != found[1]
    cell = f"{statistics.mean(found):.4f} ± {statistics.stdev(found):.4f}"
    table = (output / "ablation.md").read_text()
    assert cell in table.splitlines()[3]
    assert table in capsys.readouterr().out
    # The budget is the same.
    runs = [output / key / f"seed_{seed}" for key in content for seed in (0, 1)]
    assert {len(losses(run)) for run in runs} == {2}

    # The same command again trains only what was interrupted, here before its first snapshot.
    before = {run: (run / "last.safetensors").stat().st_mtime_ns for run in runs}
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        (runs[3] / name).unlink()
    assert run_command("ablate", arguments) == 0
    after = {run: (run / "last.safetensors").stat().st_mtime_ns for run in runs[:3]}
    assert after == {run: before[run] for run in runs[:3]}
    assert json.loads((output / "ablation.json").read_text()) == content

    capsys.readouterr()
    assert run_command("ablate", [*arguments, "optimiser.learning_rate=1e-3"]) == 2
    assert "holds a run of another configuration" in capsys.readouterr().err


def test_nothing_to_compare_by_is_said_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_drives(tmp_path, drives=1, frames=4)
    arguments = _arguments(tmp_path, tmp_path / "out")
    place = arguments.index("--validation")
    assert run_command("ablate", arguments[:place] + arguments[place + 2 :]) == 2
    assert "name a list by --validation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class _Follower(Processes):
    """The second of two processes, whose first says what is to be done."""

    def by_first(self, function: Callable[[], Any]) -> Any:
        return "begin" if function.__name__ == "<lambda>" else None


def test_one_process_decides_what_is_done_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first has begun the run by the time that this one looks at the folder."""
    begun: list[bool] = []

    class Trainer:
        def __init__(self, *_: Any, resume: bool) -> None:
            begun.append(resume)

        def run(self) -> None:
            pass

    monkeypatch.setattr(ablation, "Trainer", Trainer)
    config = load_config(preset="tiny")
    folder = RunFolder(tmp_path / "scales_4" / "seed_0")
    folder.create(config, {})
    folder.state.write_bytes(b"")
    lists = Lists([], [], KITTI, {})
    ablation._finish(config, lists, folder, _Follower(1, 2, torch.device("cpu")))
    assert begun == [False]
    ablation._finish(config, lists, folder, Processes(0, 1, torch.device("cpu")))
    assert begun == [False, True]


@pytest.mark.long
def test_two_processes_train_the_variants_together(tmp_path: Path):
    write_drives(tmp_path, drives=1, frames=8)
    output = tmp_path / "ablation"
    arguments = [*_arguments(tmp_path, output), "--variants", "scales_3", "--seeds", "1"]
    done = run_train(*arguments, processes=2, name="ablate")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("== 3 scales, attention, seed 0") == 1
    run = output / "scales_3" / "seed_0"
    assert len(losses(run)) == 2
    before = (run / "last.safetensors").stat().st_mtime_ns
    assert run_command("ablate", arguments) == 0
    assert (run / "last.safetensors").stat().st_mtime_ns == before
    # Another list is another run.
    arguments[arguments.index("--split") + 1] = str(tmp_path / "val.txt")
    arguments[arguments.index("--validation") + 1] = str(tmp_path / "train.txt")
    assert run_command("ablate", arguments) == 2
