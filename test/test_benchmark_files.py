"""`benchmark` of exported files, of networks that fail, and the file that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hma_depth_ros.benchmarks import model_speed as model_benchmark
from hma_depth_ros.benchmarks.baseline import baseline_call, load_baseline
from hma_depth_ros.cli import run_command
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import Preprocessing

SIZE = "32x64"


@pytest.fixture(scope="module")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openvino")
    path = tmp_path_factory.mktemp("exported") / "fixed.xml"
    words = [str(tiny_checkpoint), "--format", "openvino", "--output", str(path), "--size", SIZE]
    assert run_command("export", words) == 0
    return path


def test_an_exported_file_is_measured_at_the_size_that_it_takes(exported: Path, tmp_path: Path):
    report = tmp_path / "report.json"
    common = ["--checkpoint", str(exported), "--rounds", "2", "--json", str(report), "--engines"]
    engines = "openvino:fp32,torch:fp32"
    assert run_command("benchmark", ["model", *common, engines]) == 0
    found = json.loads(report.read_text())
    assert found["size"] == [32, 64]
    assert list(found["candidates"]) == ["openvino fp32"]  # PyTorch cannot be the reference
    assert "PyTorch does not run" in found["left_out"]["torch fp32"]
    candidate = found["candidates"]["openvino fp32"]
    assert candidate["images_per_second"] == pytest.approx(1 / candidate["median"])
    assert candidate["hardware"].startswith("CPU ")
    assert found["arguments"]["checkpoint"] == str(exported)
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]

    assert run_command("benchmark", ["predictor", *common, engines, "--cameras", "2"]) == 0
    found = json.loads(report.read_text())
    assert found["image_size"] == found["network_size"] == [32, 64]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by-stage"], "is an exported file: --by-stage needs the checkpoint itself"),
        (["--engines", "torch:fp32"], "PyTorch does not run"),
        (["--size", "64x64"], "takes 64x32 pixels, and the network's input is 64x64"),
    ],
)
def test_what_an_exported_file_cannot_is_one_line(exported: Path, capsys, arguments, message):
    words = ["model", "--checkpoint", str(exported), "--rounds", "1", *arguments]
    assert run_command("benchmark", words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_report_that_cannot_be_written_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "below.json"):
        for part in ("model", "predictor", "loader"):
            assert run_command("benchmark", [part, "--json", str(path)]) == 2
            captured = capsys.readouterr()
            assert f"cannot write {path}: " in captured.err
            assert captured.out == ""


def test_every_engine_gets_the_image_where_it_wants_it():
    """Of a GPU: ONNX Runtime's engine takes it from the host, PyTorch's from the device."""

    class Engine:
        name, precision, hardware = "fake", "fp32", "nothing"
        device = torch.device("meta")
        seen: list[torch.Tensor] = []  # noqa: RUF012

        def __call__(self, image: torch.Tensor, planes: torch.Tensor | None) -> None:
            self.seen += [image, *([] if planes is None else [planes])]

    engine = Engine()
    inputs = torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 4, 4)
    model_benchmark._engine_call(engine, *inputs)()  # type: ignore[arg-type]
    assert [tuple(t.shape) for t in engine.seen] == [(1, 3, 4, 4), (1, 2, 4, 4)]
    assert all(t.device == engine.device for t in engine.seen)


BASELINES = """
import sys
from torch import nn
identity = nn.Identity()
def raises():
    raise RuntimeError("no weights here\\nmore")
def leaves():
    sys.exit(3)
def narrow():
    return nn.Conv2d(7, 1, 1)
"""


def test_baselines_that_fail_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They are found in the current folder, also by a console script, which leaves it out."""
    (tmp_path / "odd_baselines.py").write_text(BASELINES)
    (tmp_path / "no_python_at_all.py").write_text("def")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")  # and what is added is taken back
    assert isinstance(load_baseline("odd_baselines:identity"), torch.nn.Identity)
    for name, message in (
        ("odd_baselines:raises", r"cannot be made: RuntimeError: no weights here$"),
        ("odd_baselines:leaves", r"cannot be made: SystemExit: 3"),
        ("no_python_at_all:f", r"SyntaxError: .*; expected module:callable"),
        ("odd_baselines", r"AttributeError: .*; expected module:callable"),
        (":f", r"ValueError: .*; expected module:callable"),
    ):
        with pytest.raises(HmaDepthError, match=message):
            load_baseline(name)
    image = torch.zeros((1, 3, 8, 8), dtype=torch.uint8)
    preprocessing = Preprocessing()
    with pytest.raises(HmaDepthError, match=r"does not run on .* \(1, 3, 8, 8\): RuntimeError"):
        baseline_call("odd_baselines:narrow", image, preprocessing)
