"""An exported file is a checkpoint: it says what PyTorch says, wherever a checkpoint is taken."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from hma_depth_ros.assets import asset
from hma_depth_ros.cli import run_command
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines import export as export_module
from hma_depth_ros.inference.engines import self_check
from hma_depth_ros.inference.engines.conversion_cache import file_digest
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.openvino_core import openvino_core
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    load_checkpoint,
    save_checkpoint,
)
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

pytest.importorskip("openvino")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CONFIG = ModelConfig("test_efficientnet", (128, 64, 16, 8, 8), aspp_channels=16)
SIZE = (45, 150)  # of the bundled frame at that width; odd
EQUAL = 1e-4

#: name -> arguments of `export` beside checkpoint and output
KINDS = {
    "fixed.onnx": ("--format", "onnx", "--size", "45x150"),
    "half.onnx": ("--format", "onnx", "--size", "45x150", "--precision", "fp16"),
    "fixed.xml": ("--format", "openvino", "--size", "45x150"),
    "any.xml": ("--format", "openvino", "--dynamic", "--precision", "fp16"),
    "any.onnx": ("--format", "onnx"),
}
LIMITS = {name: 5e-3 if "fp16" in arguments else EQUAL for name, arguments in KINDS.items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(CONFIG)
    path = tmp_path_factory.mktemp("export") / "tiny.safetensors"
    info = CheckpointInfo(
        CONFIG,
        Preprocessing(input_width=150, focal_length=90.0),
        description="a test, with 'quotes' & <brackets>",
        evaluation={"abs_rel": 0.5},
    )
    save_checkpoint(path, model, info)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of an exported file of KINDS; each is made once."""
    folder = tmp_path_factory.mktemp("exported")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            assert (
                run_command("export", [str(checkpoint), "--output", str(path), *KINDS[name]]) == 0
            )
        return path

    return get


@pytest.mark.parametrize("name", KINDS)
def test_an_exported_file_is_taken_as_a_checkpoint(exported, checkpoint: Path, name: str):
    path = exported(name)
    expected = DepthPredictor.from_checkpoint(checkpoint, device="cpu").predict(self_check_image())
    engines = ["openvino"] if name.endswith(".xml") else ["openvino", "onnxruntime"]
    for engine in [None, *engines]:
        if name == "half.onnx" and engine == "openvino":
            continue  # an fp16 graph is for GPUs: the test of ONNX Runtime shows that it is right
        precision = "fp32" if engine == "openvino" else "auto"
        predictor = DepthPredictor.from_checkpoint(
            path, device="cpu", engine=engine, precision=precision
        )
        if engine is None:  # as exact as the file is
            assert predictor.engine.precision == ("fp16" if name == "half.onnx" else "fp32")
        found = predictor.predict(self_check_image())
        assert found.depth is not None
        assert found.attention is not None
        assert expected.depth is not None
        deviation = np.abs(found.depth / expected.depth - 1)
        assert np.median(deviation) < LIMITS[name]
        assert deviation.max() < 10 * LIMITS[name]
        assert np.abs(found.attention.sum(0) - 1).max() < 1e-6
        assert expected.attention is not None
        assert np.median(np.abs(found.attention - expected.attention)) < LIMITS[name]
        assert predictor.info == load_checkpoint(checkpoint)[1]


def test_the_file_alone_gives_depth_and_masks(exported, checkpoint: Path):
    """As somebody uses it who has ONNX Runtime and not this package."""
    session = onnxruntime.InferenceSession(exported("fixed.onnx"))
    names = [output.name for output in session.get_outputs()]
    assert names[:2] == ["depth", "attention"]
    images = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)
    outputs = dict(zip(names, session.run(None, {"image": images}), strict=True))
    assert outputs["depth"].shape == (3, 1, *SIZE)
    assert outputs["attention"].shape == (3, 4, *SIZE)
    assert np.abs(outputs["attention"].sum(1) - 1).max() < 1e-6
    model, info = load_checkpoint(checkpoint)
    mean, std = info.preprocessing.mean_and_std(torch.device("cpu"))
    with torch.inference_mode():
        maps = model((torch.from_numpy(images).permute(0, 3, 1, 2) - mean) / std)
        np.testing.assert_allclose(outputs["depth"], maps.depth(), rtol=EQUAL)
        np.testing.assert_allclose(outputs["attention"], maps.masks(), atol=EQUAL)


def test_half_precision_halves_the_file(exported):
    assert exported("half.onnx").stat().st_size < 0.7 * exported("fixed.onnx").stat().st_size
    weights = [
        exported(name).with_suffix(".bin").stat().st_size for name in ("any.xml", "fixed.xml")
    ]
    assert weights[0] < 0.6 * weights[1]


def test_an_exported_file_is_checked_against_pytorch_s_depth(exported, monkeypatch):
    """Without the checkpoint at hand: the file has kept what PyTorch said."""
    for name in ("any.xml", "fixed.onnx"):
        source = ModelSource(exported(name))
        request = EngineRequest(precision="fp32", device="cpu")
        started = start_engine(source, request, self_check=True, warn=pytest.fail)
        assert started.self_check.startswith("passed, median deviation")
        assert (started.fallback, started.deviates) == ("", False)
    wrong = EngineRequest(precision="fp32", device="cpu")
    monkeypatch.setitem(self_check.TOLERANCES, "fp32", -1.0)
    warnings: list[str] = []
    start_engine(source, wrong, self_check=True, warn=warnings.append)
    assert "does not reproduce the network" in warnings[0]


def test_a_half_file_that_deviates_has_nothing_to_fall_back_to(exported, monkeypatch):
    """The node goes on with a warning, as with every other engine, and does not die."""
    source = ModelSource(exported("half.onnx"))
    monkeypatch.setitem(self_check.TOLERANCES, "fp16", 0.0)
    warnings: list[str] = []
    request = EngineRequest(engine="onnxruntime", device="cpu")
    started = start_engine(source, request, self_check=True, warn=warnings.append)
    assert (started.engine.name, started.engine.precision) == ("onnxruntime", "fp16")
    assert started.self_check.startswith("failed, median deviation")
    assert started.deviates
    assert "onnxruntime in fp16" in started.fallback
    assert "falling back to precision:=fp32" in warnings[0]
    assert "was exported in fp16, and ONNX Runtime does not change that" in warnings[1]
    assert warnings[1].endswith("onnxruntime in fp16 goes on, for there is nothing better")
    assert len(warnings) == 2


def test_another_size_than_the_file_s_is_explained(exported):
    predictor = DepthPredictor.from_checkpoint(exported("fixed.xml"), device="cpu")
    with pytest.raises(HmaDepthError, match=r"takes 150x45 pixels, .* is 150x96; export"):
        predictor.predict(np.zeros((100, 150, 3), np.uint8))


def test_the_commands_take_it(
    exported, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    image = str(asset("self_check.jpg"))
    arguments = [image, "--output", str(tmp_path), "--checkpoint", str(exported("any.xml"))]
    assert run_command("predict", arguments) == 0
    assert (tmp_path / "self_check_depth.png").is_file()
    assert run_command("describe", ["--checkpoint", str(exported("fixed.onnx"))]) == 0
    printed = capsys.readouterr().out
    assert "description: a test, with 'quotes' & <brackets>" in printed
    assert "input_width: 150" in printed
    digest = file_digest(checkpoint)
    assert f"exported in fp32, for 45x150, from the checkpoint with SHA-256 {digest}" in printed
    assert run_command("describe", ["--checkpoint", str(exported("any.xml"))]) == 0
    assert "exported in fp16, for any multiple of 32, from" in capsys.readouterr().out


def test_a_model_that_deviates_is_not_written(
    exported, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A converter that gives the graph of a network with another bias."""
    model, info = load_checkpoint(checkpoint)
    with torch.no_grad():
        model.decoder.get_parameter("depth_heads.1.logit.bias").add_(0.5)
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, model, info)
    converted = openvino_core().read_model(exported("fixed.xml"))
    monkeypatch.setattr(export_module, "trace", lambda graph, size: None)
    monkeypatch.setattr(export_module, "convert_graph", lambda graph, program, size: converted)
    export = partial(export_module.export_model, kind="openvino", size=SIZE)
    with pytest.raises(HmaDepthError, match=r"was not written: .* deviates from PyTorch"):
        export(other, tmp_path / "m.xml")
    assert list(tmp_path.iterdir()) == [other]
    export(checkpoint, tmp_path / "m.xml")  # of this one it is the right graph


def test_what_is_no_exported_file_is_refused(exported, tmp_path: Path):
    def load(path: Path):
        with pytest.raises(HmaDepthError) as raised:
            ModelSource(path)
        return str(raised.value)

    for suffix in (".onnx", ".xml"):
        assert (
            load(tmp_path / f"missing{suffix}") == f"no checkpoint {tmp_path / f'missing{suffix}'}"
        )
        rubbish = tmp_path / f"rubbish{suffix}"
        rubbish.write_bytes(b"\x00rubbish" * 50)
        rubbish.with_suffix(".bin").write_bytes(b"")
        assert re.search("is not a readable|rubbish.bin is empty", load(rubbish))
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    assert "empty.onnx is empty" in load(empty)

    without = tmp_path / "without.xml"
    without.write_bytes(exported("fixed.xml").read_bytes())
    assert load(without) == f"no checkpoint {tmp_path / 'without.bin'}"

    model = onnx.load(exported("fixed.onnx"))
    del model.metadata_props[:]
    foreign = tmp_path / "foreign.onnx"
    onnx.save(model, foreign)
    assert "not made by this package's `export` command" in load(foreign)

    truncated = tmp_path / "truncated.onnx"
    truncated.write_bytes(exported("fixed.onnx").read_bytes()[:-1000])
    assert "truncated.onnx is not a readable ONNX file" in load(truncated)


def test_weights_that_are_not_the_graph_s_are_refused(exported, tmp_path: Path):
    """Of another export, as after a copy of one of two files, or damaged: OpenVINO takes them."""
    path, weights = tmp_path / "pair.xml", tmp_path / "pair.bin"
    path.write_bytes(exported("fixed.xml").read_bytes())
    good = exported("fixed.xml").with_suffix(".bin").read_bytes()
    weights.write_bytes(good)
    assert ModelSource(path).info.preprocessing.input_width == 150
    for bad in (good[:-4] + b"\0\0\0\1", good[: len(good) // 2], b""):
        weights.write_bytes(bad)
        with pytest.raises(
            HmaDepthError, match=r"pair\.(bin is (damaged|empty)|xml is not a readable)"
        ):
            ModelSource(path)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_a_full_disk_leaves_what_was_there(
    exported, checkpoint: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    converted = {
        "onnx": onnx.load(exported("fixed.onnx")),
        "openvino": openvino_core().read_model(exported("fixed.xml")),
    }
    monkeypatch.setattr(export_module, "trace", lambda *_: None)  # the disk is all that counts here
    for name in ("convert_to_onnx", "convert_graph"):
        monkeypatch.setattr(export_module, name, lambda *_: converted[kind])
    output = tmp_path / f"m{export_module.FORMATS[kind].value}"
    output.write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(HmaDepthError, match=rf"cannot write {output}: "):
            export_module.export_model(checkpoint, output, kind=kind, size=SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert output.read_text() == "before"
    assert list(tmp_path.iterdir()) == [output]


def test_what_cannot_be_written_is_said_before_the_work(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export_module, "trace", lambda *_: pytest.fail("the work has begun"))
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    for name, message in (
        ("folder.onnx", "is a folder"),
        ("file/below/m.onnx", "cannot write .*/file/below/m.onnx: Not a directory"),
        ("m.ONNX", r"is named \*.onnx"),
    ):
        with pytest.raises(HmaDepthError, match=message):
            export_module.export_model(checkpoint, tmp_path / name, kind="onnx", size=SIZE)


def test_pytorch_cannot_run_it_and_openvino_s_is_not_onnx(exported):
    with pytest.raises(HmaDepthError, match="PyTorch does not run"):
        DepthPredictor.from_checkpoint(exported("fixed.xml"), engine="torch")
    with pytest.raises(HmaDepthError, match="is for OpenVINO"):
        DepthPredictor.from_checkpoint(exported("fixed.xml"), engine="onnxruntime")
    with pytest.raises(HmaDepthError, match="exported in fp32"):
        DepthPredictor.from_checkpoint(
            exported("fixed.onnx"), engine="onnxruntime", precision="fp16"
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "onnx", "--output", "{}/m.xml"], "is named *.onnx"),
        (["--format", "openvino", "--output", "{}/m.onnx"], "is named *.xml"),
        (["--format", "onnx", "--output", "{}/m.onnx", "--size", "352"], "such as 352x1216"),
        (["--format", "onnx", "--output", "{}/m.onnx", "--size", "0x9"], "such as 352x1216"),
    ],
)
def test_wrong_arguments_are_named(checkpoint: Path, tmp_path: Path, capsys, arguments, message):
    filled = [argument.format(tmp_path) for argument in arguments]
    assert run_command("export", [str(checkpoint), *filled]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_exported_file_is_not_exported_again(exported, tmp_path: Path):
    with pytest.raises(HmaDepthError, match="export the checkpoint itself"):
        export_module.export_model(exported("fixed.xml"), tmp_path / "m.onnx", kind="onnx")


def test_a_missing_package_is_named(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for package, kind in (("onnxscript", "onnx"), ("openvino", "openvino")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            suffix = export_module.FORMATS[kind].value
            with pytest.raises(HmaDepthError, match=f"pip install .*{package}"):
                export_module.export_model(
                    checkpoint, tmp_path / f"m{suffix}", kind=kind, size=SIZE
                )
    assert list(tmp_path.iterdir()) == []
