"""int8: calibrated on given frames, offered only where the error stays, taken like a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import write_depth_png
from hma_depth_ros.data.image_file import write_png
from hma_depth_ros.data.splits.located_split import read_located_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation import int8_export
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

CONFIG = ModelConfig("test_efficientnet", (128, 64, 16, 8, 8), aspp_channels=16)
SIZE = (64, 96)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "tiny.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, HmaDepth(CONFIG), CheckpointInfo(CONFIG, Preprocessing()))
    return path


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of six frames, four of them with ground truth of 12 m."""
    folder = tmp_path_factory.mktemp("frames")
    random = np.random.default_rng(0)
    lines = []
    for number in range(6):
        small = random.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        write_png(folder / f"{number}.png", cv2.resize(small, SIZE[::-1]))
        depth = "None"
        if number < 4:
            depth = f"{number}_depth.png"
            write_depth_png(folder / depth, np.full(SIZE, 12, np.float32))
        lines.append(f"{number}.png {depth} 100.0\n")
    (folder / "list.txt").write_text("".join(lines))
    return folder / "list.txt"


def export(checkpoint: Path, output: Path, frames: Path) -> int:
    arguments = [str(checkpoint), "--format", "openvino", "--output", str(output)]
    return run_command("export", [*arguments, "--precision", "int8", "--calibration", str(frames)])


@pytest.fixture(scope="module")
def exported(checkpoint: Path, frames: Path) -> Path:
    pytest.importorskip("nncf", reason="int8 needs NNCF: pip install nncf")
    output = checkpoint.with_name("int8.xml")
    assert export(checkpoint, output, frames) == 0
    return output


def _is_in_int8(convolution: Any) -> bool:
    """Whether both its input, or all parts of it, and its stored weights are quantised."""
    source = convolution.input_value(0).get_node()
    parts = [source]
    if source.get_type_name() == "Concat":
        parts = [value.get_node() for value in source.input_values()]
    weights = convolution.input_value(1).get_node()
    while weights.get_type_name() != "Constant":
        weights = weights.input_value(0).get_node()
    stored = weights.get_element_type().get_type_name()
    return stored == "i8" and all(part.get_type_name() == "FakeQuantize" for part in parts)


def test_convolutions_are_quantised_and_the_blend_is_not(exported: Path):
    import openvino

    model = openvino.Core().read_model(exported)
    convolutions = [n for n in model.get_ops() if n.get_type_name().endswith("Convolution")]
    in_float = [node for node in convolutions if not _is_in_int8(node)]
    assert len(convolutions) > 40
    # The last ones of the heads of depth and attention.
    channels = [node.output(0).get_partial_shape()[1].get_length() for node in in_float]
    assert channels == [1] * (4 + 3)
    for name in ("depth", "attention"):
        producer = model.output(name).get_node().input_value(0).get_node()
        before = {value.get_node().get_type_name() for value in producer.input_values()}
        assert "FakeQuantize" not in before
    # A quarter of the checkpoint's weights, and not the whole of them.
    weights = exported.with_suffix(".bin").stat().st_size
    assert weights < 0.5 * exported.with_name("tiny.safetensors").stat().st_size


def test_it_is_taken_like_a_checkpoint(exported: Path, checkpoint: Path):
    source = ModelSource(exported)
    for precision in ("auto", "int8"):
        request = EngineRequest(engine="auto", precision=precision, device="cpu")
        started = start_engine(source, request, self_check=True, warn=pytest.fail)
        assert (started.engine.name, started.engine.precision) == ("openvino", "int8")
        assert started.self_check.startswith("passed")
    with pytest.raises(HmaDepthError, match="exported in int8 and does not run in fp32"):
        source.start("openvino", device="cpu", precision="fp32", threads=0, warn=pytest.fail)
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    found = DepthPredictor.from_checkpoint(exported).predict(image)
    expected = DepthPredictor.from_checkpoint(checkpoint).predict(image)
    assert found.depth is not None
    assert expected.depth is not None
    deviation = np.median(np.abs(found.depth / expected.depth - 1))
    assert 1e-5 < deviation < 0.03  # not the same arithmetic, but the same network
    assert found.attention is not None
    np.testing.assert_allclose(found.attention.sum(0), 1, atol=1e-5)


def test_an_int8_file_that_deviates_has_nothing_to_fall_back_to(
    exported: Path, monkeypatch: pytest.MonkeyPatch
):
    from hma_depth_ros.inference.engines import self_check

    monkeypatch.setitem(self_check.TOLERANCES, "int8", 0.0)
    warnings: list[str] = []
    started = start_engine(
        ModelSource(exported), EngineRequest(), self_check=True, warn=warnings.append
    )
    assert started.engine.precision == "int8"
    assert started.self_check.startswith("failed")
    assert started.deviates
    assert len(warnings) == 1
    assert "nothing better" in warnings[0]


def test_a_model_whose_error_changes_is_refused(
    exported: Path,
    frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    checkpoint = exported.with_name("tiny.safetensors")

    def write_and_judge(*_: object, judge: Callable[[Path], None], **__: object) -> None:
        judge(exported)

    monkeypatch.setattr(int8_export, "export_model", write_and_judge)
    assert (
        int8_export.export_int8(checkpoint, tmp_path / "m.xml", read_located_split(frames)).change
        < 0.02
    )
    monkeypatch.setattr(int8_export, "LIMIT", 1e-7)
    assert export(checkpoint, tmp_path / "model.xml", frames) == 2
    error = capsys.readouterr().err
    assert "was not written: AbsRel changes from" in error
    assert "on 2 frames" in error
    assert "(4 now)" in error


def test_without_calibration_there_is_no_int8(
    checkpoint: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for engine in ("torch", "openvino", "onnxruntime"):
        with pytest.raises(HmaDepthError, match=r"export CHECKPOINT .* --calibration LIST"):
            ModelSource(checkpoint).start(
                engine, device="cpu", precision="int8", threads=0, warn=pytest.fail
            )
    start = [str(checkpoint), "--output", str(tmp_path / "m.xml"), "--format", "openvino"]
    assert run_command("export", [*start, "--precision", "int8"]) == 2
    assert "--calibration LIST go together" in capsys.readouterr().err
    assert run_command("export", [*start, "--calibration", str(frames)]) == 2
    assert "go together" in capsys.readouterr().err
    one = tmp_path / "one.txt"
    one.write_text(frames.read_text().splitlines()[0] + "\n")
    words = [*start, "--precision", "int8", "--calibration", str(one), "--data"]
    assert run_command("export", [*words, str(frames.parent)]) == 2
    assert "at least two frames with ground truth" in capsys.readouterr().err
