"""`gpu_check`: on the CPU in small, and what becomes of parts that fail, hang or lack something."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hma_depth_ros.benchmarks.gpu_check.compared_runs import images_per_second
from hma_depth_ros.benchmarks.gpu_check.floor import Layer, convolutions, floor_of, floors
from hma_depth_ros.benchmarks.gpu_check.part_program import write_figures
from hma_depth_ros.benchmarks.gpu_check.part_tables import tables
from hma_depth_ros.benchmarks.gpu_check.parts import Part, all_parts
from hma_depth_ros.benchmarks.gpu_check.run_parts import PartResult, run_parts, write_report
from hma_depth_ros.cli import gpu_check, run_command
from hma_depth_ros.network.flops import count_flops
from hma_depth_ros.network.model_config import ModelConfig

HERE = Path(__file__).resolve().parent


def part(name: str, code: str, seconds: float = 60.0, *needs: str) -> Part:
    return Part(name, "for the test", seconds, (sys.executable, "-c", code), needs)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    names = "card,model_bundled,training,resume"
    arguments = ["--device", "cpu", "--parts", names, "--minutes", "30", "--output", str(tmp_path)]
    assert gpu_check.main(arguments) == 0
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    assert report["device"] == "cpu"
    parts = report["parts"]
    assert list(parts) == names.split(",")
    assert {found["status"] for found in parts.values()} == {"passed"}
    figures = {name: found["figures"] for name, found in parts.items()}

    assert figures["card"]["copy_bytes_per_second"] > 1e7
    assert {"fp32", "bf16"} <= set(figures["card"]["matrix_flops"])
    assert figures["model_bundled"]["size"] == [64, 96]
    assert {"torch fp32, as trained", "torch-eager fp32"} < set(
        figures["model_bundled"]["candidates"]
    )
    training = figures["training"]
    assert training["fp32"]["steps"] == training["bf16"]["steps"] == 4
    assert training["fp32"]["losses"] != training["bf16"]["losses"]
    assert training["fp32"]["images_per_second"] > 0
    assert training["same_seed"]["equal_to_the_bit"] is True
    assert 6 <= figures["resume"]["killed_after"] < figures["resume"]["steps"]
    assert figures["resume"]["equal_to_the_bit"] is True

    shown = capsys.readouterr().out
    for words in ("torch-eager fp32", "images/s", "state equal to the bit"):
        assert words in shown
    assert all((tmp_path / f"{name}.log").is_file() for name in names.split(","))


def test_a_part_that_fails_or_hangs_does_not_stop_the_next(tmp_path: Path):
    said: list[str] = []
    pid = tmp_path / "pid"
    hang = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        f"open({str(tmp_path / 'hangs.json')!r}, 'w').write('{{\"done\": 1}}')\n"
        "time.sleep(600)\n"
    )
    seen = f"import json; print(list(json.load(open({str(tmp_path / 'report.json')!r}))['parts']))"
    results = run_parts(
        [
            part("fails", "raise SystemExit('it is broken')"),
            part("hangs", hang, 4.0),
            part("lacks", "", 60.0, "no_such_package"),
            part("sees", seen),
        ],
        tmp_path,
        seconds=300,
        about={"device": "none"},
        tell=said.append,
    )
    outcomes = {name: result.status for name, result in results.items()}
    assert outcomes == {
        "fails": "failed",
        "hangs": "timed out",
        "lacks": "left out",
        "sees": "passed",
    }
    assert results["fails"].reason == "it is broken"
    assert results["lacks"].reason == "there is no package no_such_package"
    assert 4 <= results["hangs"].seconds < 60
    assert results["hangs"].figures == {"done": 1}, "what it had written is kept"
    assert _gone(int(pid.read_text())), "a part's own processes end with it"
    log = (tmp_path / "sees.log").read_text()
    assert log == "['fails', 'hangs', 'lacks']\n", "the report is there after each part"
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["device"] == "none"
    assert list(report["parts"]) == ["fails", "hangs", "lacks", "sees"]
    assert "hangs: for the test (at most 4 s)" in said


def _gone(pid: int) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # nobody's child any more, not yet collected
            return True
        time.sleep(0.05)
    return False


def test_time_that_is_over_leaves_the_rest_out(tmp_path: Path):
    results = run_parts(
        [part("first", "import time; time.sleep(2)"), part("second", "")],
        tmp_path,
        seconds=16,
        about={},
        tell=lambda _: None,
    )
    assert [result.status for result in results.values()] == ["passed", "left out"]
    assert "--minutes" in results["second"].reason


def test_parts_on_a_gpu(tmp_path: Path):
    parts = {p.name: p for p in all_parts("cuda", tmp_path, baseline="other:net")}
    essential = ["card", "model_resnet50", "model_bundled", "training"]
    assert list(parts)[:4] == essential, "the most important ones first"
    words = parts["model_resnet50"].command
    assert words[words.index("--size") + 1] == "352x1216"
    assert words[words.index("--baseline") + 1] == "other:net"
    engines = words[words.index("--engines") + 1].split(",")
    assert {"torch-eager:fp32", "torch-eager:fp16", "torch:fp16"} <= set(engines)
    assert "torch-compiled:fp16" in parts["compiled_resnet50"].command
    files = [Path(word).name for word in parts["tests"].command if word.endswith(".py")]
    assert {"test_cuda.py", "test_engines.py", "test_predictor.py"} <= set(files)
    assert parts["training"].needs == ("pydantic",)


def test_wrong_arguments_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    start = ["--device", "cpu", "--output", str(tmp_path)]
    for arguments, message in (
        ([*start, "--parts", "card,cards"], "no part 'cards'; there are card, model_resnet50"),
        ([*start, "--minutes", "0"], "--minutes must be positive"),
        (["--device", "cuda:99", "--output", str(tmp_path)], "no device 'cuda:99'"),
    ):
        assert run_command("gpu_check", arguments) == 2
        assert message in capsys.readouterr().err


def test_a_speed_that_was_not_taken_is_null(tmp_path: Path):
    """NaN is no JSON: other programs could not read the file."""
    run = {"steps": 1, "images_per_second": images_per_second([], after=0), "losses": []}
    text = write_figures(tmp_path / "f.json", {"fp32": {**run, "seconds": 2.0}})
    found = json.loads(text, parse_constant=pytest.fail)
    assert found["fp32"]["images_per_second"] is None
    result = PartResult("passed", figures=found)
    write_report(tmp_path, {"limit": math.inf}, {"training": result})
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert report["limit"] is None
    (table,) = [t for t in tables({"training": result}, {}) if t.title == "training"]
    assert [list(column.cells) for column in table.columns[2:3]] == [[""]]


def test_files_of_tests_are_skipped_where_their_packages_are_missing(tmp_path: Path):
    """As on a machine with a GPU and without ROS; other errors remain errors."""
    missing = tmp_path / "site"
    for name in ("rosbags", "pydantic"):
        package = missing / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n"
        )
    tests = tmp_path / "test"
    tests.mkdir()
    shutil.copy(HERE / "conftest.py", tests)
    (tests / "test_bag.py").write_text("import rosbags\n\ndef test_a():\n    pass\n")
    (tests / "test_training.py").write_text("import pydantic\n\ndef test_b():\n    pass\n")
    (tests / "test_wrong.py").write_text("import rosbag_misspelt\n\ndef test_c():\n    pass\n")
    (tests / "test_other.py").write_text("def test_d():\n    pass\n")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", str(tests)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{missing}:{os.environ.get('PYTHONPATH', '')}"},
        cwd=tmp_path,
        check=False,
    )
    assert "there is no package rosbags" in found.stdout
    assert "there is no package pydantic" in found.stdout
    assert "No module named 'rosbag_misspelt'" in found.stdout
    assert "2 skipped, 1 error" in found.stdout


def test_the_floor_is_that_of_operations_and_bytes():
    config = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
    layers = convolutions(config, (64, 96))
    assert sum(layer.flops for layer in layers) == sum(count_flops(config, (64, 96)).values())
    first = layers[0]  # 16 channels of 3x3x3, at half the size
    assert first.flops == 2 * 16 * 32 * 48 * 27
    assert first.values == 3 * 64 * 96 + 16 * 32 * 48 + 16 * 27
    floor = floor_of(
        [Layer("a", 100, 10), Layer("b", 10, 100)],
        flops_per_second=10,
        bytes_per_second=40,
        value_bytes=4,
    )
    assert (floor.arithmetic, floor.memory, floor.by_layer) == (11, 11, 20)
    card = {"matrix_flops": {"fp32": 1e12, "fp16": 4e12}, "copy_bytes_per_second": 1e9}
    found = floors(config, (64, 96), card)
    assert found["fp16"].memory == pytest.approx(found["fp32"].memory / 2)
    assert found["fp16"].arithmetic == pytest.approx(found["fp32"].arithmetic / 4)
