"""Every engine says what PyTorch says; the fastest that does is chosen."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines import engine_choice, self_check
from hma_depth_ros.inference.engines.conversion_cache import cached, file_digest
from hma_depth_ros.inference.engines.cuda_graph import CapturedModel
from hma_depth_ros.inference.engines.engine import Engine, MissingPackageError
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, StartedEngine, start_engine
from hma_depth_ros.inference.engines.folding import fold_batch_norm
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.onnxruntime_engine import MOST_IMAGES, OnnxRuntimeEngine
from hma_depth_ros.inference.engines.openvino_core import openvino_core
from hma_depth_ros.inference.engines.openvino_engine import OpenVinoEngine
from hma_depth_ros.inference.engines.self_check import SelfCheck
from hma_depth_ros.inference.engines.torch_engine import TorchEngine
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.network import cpu
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import PRESETS, ModelConfig
from hma_depth_ros.private_cache import cache_folder

CONFIG = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
#: Largest relative deviation of a pixel: other orders of summation, not other arithmetic.
EQUAL = 1e-4


def random_model(config: ModelConfig) -> HmaDepth:
    """Random weights; normalisations with statistics of their own, as after training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(config).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engines") / "tiny.safetensors"
    info = CheckpointInfo(CONFIG, Preprocessing(input_width=150, focal_length=90.0))
    save_checkpoint(path, random_model(CONFIG), info)
    return path


@pytest.fixture(scope="module")
def source(checkpoint: Path) -> ModelSource:
    return ModelSource(checkpoint)


@pytest.fixture(scope="module")
def reference(source: ModelSource) -> Engine:
    return TorchEngine(
        random_model(CONFIG),
        source.info.preprocessing,
        device=torch.device("cpu"),
        precision="fp32",
        as_trained=True,
    )


def noise(height: int, width: int, batch: int = 1) -> torch.Tensor:
    shape = (batch, 3, height, width)
    values = np.random.default_rng(height * width).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(values)


def fail(message: str) -> None:
    pytest.fail(f"warned: {message}")


def start(source: ModelSource, name: str, precision: str = "fp32", **values: object) -> Engine:
    package = {"openvino": ["openvino"], "onnxruntime": ["onnxruntime", "onnx", "onnxscript"]}
    for module in package.get(name, []):
        pytest.importorskip(module)
    request = EngineRequest(engine=name, precision=precision, device="cpu", **values)  # type: ignore[arg-type]
    engine = start_engine(source, request, self_check=False, warn=fail).engine
    assert (engine.name, engine.precision) == (name, precision)
    return engine


def worst(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float(((found - expected) / expected).abs().max())


@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_every_engine_says_what_pytorch_says_at_every_size(
    source: ModelSource, reference: Engine, name: str
):
    engine = start(source, name)
    # From one size to another and back; odd, a multiple of 32, and smaller than 32.
    for image in (noise(75, 150), noise(64, 96), noise(20, 31), noise(75, 150), noise(33, 40, 2)):
        found, expected = engine(image), reference(image)
        assert worst(found.depth(), expected.depth()) < EQUAL
        assert worst(found.scale_depths(), expected.scale_depths()) < EQUAL
        assert float((found.masks() - expected.masks()).abs().max()) < EQUAL
        assert float((found.masks().sum(1) - 1).abs().max()) < 1e-6


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bf16_is_close(source: ModelSource, reference: Engine, name: str):
    if name == "openvino":
        pytest.importorskip("openvino")
        offered = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "BF16" not in offered:
            pytest.skip("this CPU has no bf16")
    engine = start(source, name, "bf16")
    image = noise(75, 150)
    found, expected = engine(image), reference(image)
    assert found.depth().dtype == torch.float32
    deviation = float(((found.depth() - expected.depth()) / expected.depth()).abs().median())
    assert 1e-5 < deviation < 0.02
    assert float((found.masks().sum(1) - 1).abs().max()) < 1e-6


@pytest.mark.long
def test_openvino_converts_models_without_attention(tmp_path: Path):
    """Their coarser maps are enlarged to the finest one's size, which must not be written down."""
    config = replace(CONFIG, encoder="test_efficientnet", attention=False)
    path = tmp_path / "plain.safetensors"
    save_checkpoint(path, random_model(config), CheckpointInfo(config, Preprocessing()))
    source = ModelSource(path)
    engine, plain = start(source, "openvino"), start(source, "torch")
    for image in (noise(75, 150), noise(64, 70)):
        assert not engine(image).attentions
        assert worst(engine(image).depth(), plain(image).depth()) < EQUAL


@pytest.mark.parametrize("channels", [(2, 1, 0), (0, 1, 2)])
def test_any_memory_layout_is_taken(source: ModelSource, reference: Engine, channels: list[int]):
    image = noise(64, 96).contiguous(memory_format=torch.channels_last)[:, list(channels)]
    assert worst(start(source, "openvino")(image).depth(), reference(image).depth()) < EQUAL
    floats = start(source, "openvino")(image.float())
    assert worst(floats.depth(), reference(image).depth()) < EQUAL


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_an_image_in_floating_point_is_left_as_it_is(
    source: ModelSource, reference: Engine, name: str
):
    """On CUDA the predictor resizes in float32, and colours the cloud from that very tensor."""
    engine, image = start(source, name), noise(64, 96).float()
    expected = reference(noise(64, 96)).depth()
    for _ in range(2):
        assert worst(engine(image).depth(), expected) < EQUAL
    assert torch.equal(image, noise(64, 96).float())


def test_openvinos_engines_come_and_go_without_leaving_a_stray_signal_stack(checkpoint: Path):
    """Each core of OpenVINO swaps the thread's signal stack, and puts back one that may be gone."""
    pytest.importorskip("openvino")
    script = """
import faulthandler, os, signal, sys
from pathlib import Path
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.openvino_core import openvino_core
faulthandler.enable()  # the signal stack that was there before
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
source = ModelSource(Path(sys.argv[1]))
start = lambda: source.start("openvino", device="cpu", precision="fp32", threads=1, warn=print)
first = start()
second = start()
del first
del second
os.kill(os.getpid(), signal.SIGUSR1)
"""
    command = [sys.executable, "-c", script, str(checkpoint)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "handled\n"), found


def test_threads_reach_openvino(source: ModelSource):
    engine = start(source, "openvino", threads=1)
    assert isinstance(engine, OpenVinoEngine)
    assert engine._compiled.get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.parametrize(
    ("asked", "threads", "found"), [(1, 2, 1), (2, 2, 2), (3, 2, 2), (2, 1, 1)]
)
def test_openvino_computes_side_by_side_on_as_many_threads(
    source: ModelSource, asked: int, threads: int, found: int
):
    """What a thread was given stays as it is while another one computes."""
    pytest.importorskip("openvino")
    request = EngineRequest(engine="openvino", precision="fp32", device="cpu", threads=threads)
    engine = start_engine(
        source, replace(request, side_by_side=asked), self_check=False, warn=pytest.fail
    ).engine
    assert isinstance(engine, OpenVinoEngine)
    streams = engine._compiled.get_property("NUM_STREAMS")
    assert (engine.side_by_side, streams) == (found, found)
    images = [noise(64, 96), 255 - noise(64, 96)]
    expected = [engine(image).depths[-1].clone() for image in images]
    assert not torch.equal(*expected)
    meet = threading.Barrier(2)

    def again_and_again(index: int) -> bool:
        meet.wait(10)
        first = engine(images[index]).depths[-1]
        meet.wait(10)
        return torch.equal(first, expected[index])

    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(again_and_again, (0, 1))] == [True, True]


def test_threads_reach_pytorch(source: ModelSource):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        start(source, "torch", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_threads_reach_onnxruntime(source: ModelSource):
    engine = start(source, "onnxruntime", threads=1)
    session = engine._session_for((64, 96))  # type: ignore[attr-defined]
    assert session.get_session_options().intra_op_num_threads == 1


def test_onnxruntime_on_a_gpu_reads_and_writes_tensors_where_they_lie(source: ModelSource):
    """The way that images take there, here with memory of the CPU: padding, binding, parts."""
    engine = start(source, "onnxruntime")
    assert isinstance(engine, OnnxRuntimeEngine)
    for count, height, width in ((1, 64, 96), (1, 33, 65), (MOST_IMAGES + 1, 32, 64)):
        image = noise(height, width, count)
        maps = engine(image)
        bound = engine._on_gpu(image, None)
        assert [m.shape for m in bound] == [m.shape for m in [*maps.depths, *maps.attentions]]
        for found, expected in zip(bound, [*maps.depths, *maps.attentions], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(image[0], image[-1])


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnxruntime_on_cuda_says_what_pytorch_says(
    source: ModelSource, reference: Engine, precision: str
):
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider (onnxruntime-gpu)")
    engine = source.start("onnxruntime", device="cuda", precision=precision, threads=0, warn=fail)
    assert engine.device.type == "cuda"
    for size in ((64, 96), (33, 65)):
        image = noise(*size)
        found = engine(image.cuda())
        assert found.depths[0].device.type == "cuda"
        limit = 1e-3 if precision == "fp32" else 0.05
        assert worst(found.depth().cpu(), reference(image).depth()) < limit


def test_only_what_is_asked_for_is_computed(source: ModelSource, monkeypatch: pytest.MonkeyPatch):
    engine = start(source, "openvino")
    assert isinstance(engine, OpenVinoEngine)
    assert len(engine._compiled.outputs) == 4 + 3, "maps of the scales, and nothing of full size"
    predictor = DepthPredictor(engine, source.info)
    maps = type(engine(noise(32, 32)))
    monkeypatch.setattr(maps, "masks", lambda _: pytest.fail("nobody asked for masks"))
    found = predictor.predict(self_check_image(), outputs={"depth"})
    assert found.depth is not None
    monkeypatch.undo()
    monkeypatch.setattr(maps, "depth", lambda _: pytest.fail("nobody asked for depth"))
    found = predictor.predict(self_check_image(), outputs={"attention"})
    assert found.attention is not None


# --- folding ----------------------------------------------------------------------------------


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    ("name", "left"), [("mobile", 0), ("resnet50", 0), ("densenet121", 62), ("densenet161", None)]
)
def test_folding_changes_nothing(name: str, left: int | None):
    model = random_model(PRESETS[name])
    folded = fold_batch_norm(model)
    count = norms(folded)
    assert count < norms(model)
    assert left is None or count == left
    image = torch.randn(1, 3, 50, 70)
    with torch.no_grad():
        assert worst(folded(image).depth(), model(image).depth()) < EQUAL


class Forked(nn.Module):
    """Uses a convolution's output twice; folding its normalisation would change the other use."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.convolution(x)
        return x + self.norm(x)


def test_what_would_change_is_not_folded():
    model = random_model(CONFIG)
    forked = Forked().eval()
    nn.init.constant_(forked.norm.running_mean, 1.0)  # type: ignore[arg-type]
    model.encoder = nn.Sequential(forked, model.encoder)  # type: ignore[assignment]
    folded = fold_batch_norm(model)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(folded(image).depth(), model(image).depth())


# --- the choice -------------------------------------------------------------------------------


def choose(source: ModelSource, **values: str) -> tuple[Engine, str, list[str]]:
    warnings: list[str] = []
    request = EngineRequest(**{"device": "cpu", **values})  # type: ignore[arg-type]
    started = start_engine(source, request, self_check=True, warn=warnings.append)
    return started.engine, started.self_check, warnings


def test_auto_is_openvino_and_checked(source: ModelSource, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("openvino")
    monkeypatch.setitem(self_check.TOLERANCES, "bf16", 0.05)
    engine, verdict, warnings = choose(source)
    assert engine.name == "openvino"
    assert verdict.startswith("passed, median deviation")
    assert warnings == []


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_an_engine_that_raises_in_its_self_check_gives_way(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch, precision: str
):
    pytest.importorskip("openvino")
    from hma_depth_ros.inference.engines.openvino_engine import OpenVinoEngine

    def raising(*_: object) -> None:
        raise RuntimeError("it does not run here")

    monkeypatch.setattr(OpenVinoEngine, "__call__", raising)
    warnings: list[str] = []
    request = EngineRequest(device="cpu", engine="openvino", precision=precision)
    started = start_engine(source, request, self_check=True, warn=warnings.append)
    assert (started.engine.name, started.engine.precision) == ("torch", "fp32")
    assert started.fallback.startswith("engine openvino is left out: in ")
    assert "it does not run (RuntimeError('it does not run here'))" in started.fallback
    assert warnings[0] in started.fallback
    assert not started.deviates
    # Where there is nothing else, that is the error.
    monkeypatch.setattr(engine_choice, "_fallbacks", lambda *_: [])
    with pytest.raises(HmaDepthError, match="it does not run here"):
        start_engine(source, request, self_check=True, warn=warnings.append)


class Runtime:
    """An engine that deviates by so much, or does not run."""

    device = torch.device("cpu")
    hardware = "a CPU"
    side_by_side = 1

    def __init__(self, name: str, precision: str, answer: float | Exception) -> None:
        self.name, self.precision, self.answer = name, precision, answer


class Runtimes:
    """In a ModelSource's place: what there is, by (name, precision); `auto` is bf16 or fp32."""

    def __init__(
        self, of_file: list[str], plain: str, found: dict[tuple[str, str], object]
    ) -> None:
        self.plain_engine, self._names, self._found = plain, of_file, found
        self.started: list[tuple[str, str]] = []

    def engines(self, _device: str) -> list[str]:
        return self._names

    def start(self, name: str, *, precision: str, **_: object) -> Runtime:
        if precision == "auto":
            precision = "bf16" if (name, "bf16") in self._found else "fp32"
        self.started.append((name, precision))
        answer = self._found.get((name, precision), MissingPackageError(f"{name} is missing"))
        if isinstance(answer, HmaDepthError):
            raise answer
        assert isinstance(answer, (float, Exception))
        return Runtime(name, precision, answer)

    def check(self, engine: Runtime) -> SelfCheck:
        if isinstance(engine.answer, Exception):
            raise engine.answer
        return SelfCheck(engine.answer, 1e-3)

    def choose(self) -> tuple[StartedEngine, list[str]]:
        warnings: list[str] = []
        started = start_engine(
            self,  # type: ignore[arg-type]
            EngineRequest(),
            self_check=True,
            warn=warnings.append,
        )
        return started, warnings


BROKEN = RuntimeError("it does not run here")
REFUSED = HmaDepthError("it cannot be compiled")


@pytest.mark.parametrize(
    ("names", "found", "expected"),
    [
        # A package is missing, and the next engine breaks.
        (["openvino", "torch"], {("torch", "bf16"): BROKEN, ("torch", "fp32"): 0.0}, "torch"),
        (
            ["onnxruntime", "openvino"],
            {("openvino", "bf16"): BROKEN, ("openvino", "fp32"): 1e-5},
            "openvino",
        ),
        # Another error before.
        (
            ["openvino", "torch"],
            {
                ("openvino", "bf16"): REFUSED,
                ("openvino", "fp32"): REFUSED,
                ("torch", "bf16"): BROKEN,
                ("torch", "fp32"): 0.0,
            },
            "torch",
        ),
        # One breaks after the other.
        (
            ["openvino", "torch"],
            {
                ("openvino", "bf16"): BROKEN,
                ("torch", "bf16"): BROKEN,
                ("openvino", "fp32"): BROKEN,
                ("torch", "fp32"): 0.0,
            },
            "torch",
        ),
        # One breaks, the next deviates.
        (
            ["openvino", "onnxruntime"],
            {
                ("openvino", "bf16"): BROKEN,
                ("onnxruntime", "fp32"): 1.0,
                ("openvino", "fp32"): 1e-5,
            },
            "openvino",
        ),
    ],
)
def test_whatever_came_before_an_engine_that_raises_gives_way_to_fp32(
    names: list[str], found: dict[tuple[str, str], object], expected: str
):
    runtimes = Runtimes(names, "torch" if "torch" in names else "auto", found)
    started, _ = runtimes.choose()
    assert (started.engine.name, started.engine.precision) == (expected, "fp32")
    assert not started.deviates
    once = [what for what in runtimes.started if what in found]
    assert len(once) == len(set(once)), "nothing is tried twice"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({("torch", "fp32"): REFUSED}, "it cannot be compiled"),
        ({("torch", "bf16"): BROKEN}, "it does not run here"),
        ({}, "openvino is missing"),
    ],
)
def test_a_missing_package_hides_no_other_error(found: dict[tuple[str, str], object], message: str):
    with pytest.raises(HmaDepthError, match=message):
        Runtimes(["openvino", "torch"], "auto", found).choose()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (2e-3, 0.9, ("openvino", "2.00e-03")),
        (0.9, 2e-3, ("onnxruntime", "2.00e-03")),
        (float("nan"), 0.9, ("onnxruntime", "9.00e-01")),
        (0.9, float("nan"), ("openvino", "9.00e-01")),
        (float("nan"), float("nan"), ("openvino", "nan")),
    ],
)
def test_where_all_deviate_the_best_goes_on(first: float, second: float, expected: tuple[str, str]):
    found: dict[tuple[str, str], object] = {
        ("openvino", "fp32"): first,
        ("onnxruntime", "fp32"): second,
    }
    started, warnings = Runtimes(["openvino", "onnxruntime"], "auto", found).choose()
    assert (started.engine.name, started.deviates) == (expected[0], True)
    assert started.self_check == f"failed, median deviation {expected[1]} of 1e-03 allowed"
    assert warnings[0].endswith("; falling back to engine:=onnxruntime")
    assert warnings[1].endswith(f"; {expected[0]} in fp32 goes on, for there is nothing better")
    assert len(warnings) == 2


def test_one_that_deviates_goes_on_where_its_fp32_breaks():
    found: dict[tuple[str, str], object] = {
        ("onnxruntime", "bf16"): 0.1,
        ("onnxruntime", "fp32"): BROKEN,
    }
    started, warnings = Runtimes(["openvino", "onnxruntime"], "auto", found).choose()
    assert (started.engine.precision, started.deviates) == ("bf16", True)
    assert started.self_check == "failed, median deviation 1.00e-01 of 1e-03 allowed"
    assert warnings[0].endswith("; falling back to precision:=fp32")
    assert "it does not run here" in warnings[1]
    assert warnings[1].endswith("; onnxruntime in bf16 goes on, for there is nothing better")


@pytest.mark.parametrize("way", ["eager", "not recorded"])
def test_fp32_on_cuda_is_float32_in_every_way(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch, way: str
):
    engine = TorchEngine(
        random_model(CONFIG),
        source.info.preprocessing,
        device=torch.device("cpu"),
        precision="fp32",
    )
    network, found = engine._network, []

    def telling(image: torch.Tensor, planes: torch.Tensor | None = None) -> object:
        found.append(torch.backends.cudnn.conv.fp32_precision)  # type: ignore[attr-defined]
        return network(image, planes)

    monkeypatch.setattr(engine, "_network", telling)
    engine(noise(32, 32))
    assert found == ["tf32"], "nothing changes on the CPU"
    monkeypatch.setattr(engine, "device", torch.device("cuda"))
    if way == "not recorded":
        captured = CapturedModel(engine._run)
        monkeypatch.setattr(captured, "_record", lambda _: fail_to_record())
        monkeypatch.setattr(engine, "_captured", captured)
    for _ in range(2):
        engine(noise(32, 32))
    assert found[1:] == ["ieee", "ieee"]


def fail_to_record() -> None:
    raise RuntimeError("it cannot be recorded")


def test_without_openvino_auto_is_pytorch_and_says_nothing(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(cpu, "_BF16", frozenset())
    engine, verdict, warnings = choose(source)
    assert (engine.name, engine.precision, verdict) == ("torch", "fp32", "is the reference")
    assert warnings == []
    with pytest.raises(HmaDepthError, match="pip install openvino"):
        choose(source, engine="openvino")


@pytest.mark.parametrize("package", ["onnxruntime", "onnx", "onnxscript"])
def test_a_missing_package_of_onnx_is_named(
    source: ModelSource,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    package: str,
):
    pytest.importorskip("onnx")
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(HmaDepthError, match=f"pip install .*{package}"):
        choose(source, engine="onnxruntime")


def test_pytorch_takes_bf16_where_the_cpu_has_it(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch
):
    # What every Linux has, in place of what not every machine has.
    known = {*cpu._first("flags").split(), *cpu._first("Features").split()}
    monkeypatch.setattr(cpu, "_BF16", frozenset(list(known)[:1]))
    engine, verdict, warnings = choose(source, engine="torch")
    assert (engine.name, engine.precision) == ("torch", "bf16")
    assert verdict.startswith("passed, median deviation")
    assert warnings == []
    assert DepthPredictor.from_checkpoint(source.path).engine.precision == "fp32", "the reference"
    monkeypatch.setattr(cpu, "_BF16", frozenset({"no_such_instruction"}))
    assert choose(source, engine="torch")[0].precision == "fp32"


def test_beyond_tolerance_comes_fp32(source: ModelSource, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("openvino")
    monkeypatch.setitem(self_check.TOLERANCES, "bf16", 0.0)
    engine, verdict, warnings = choose(source, engine="torch", precision="bf16")
    assert (engine.name, engine.precision) == ("torch", "fp32")
    assert verdict.startswith("failed, median deviation")
    assert len(warnings) == 1
    assert "falling back to precision:=fp32" in warnings[0]

    monkeypatch.setitem(self_check.TOLERANCES, "fp32", 0.0)
    engine, verdict, warnings = choose(source, precision="fp32")
    assert (engine.name, engine.precision) == ("torch", "fp32")
    assert "openvino in fp32 on CPU" in warnings[0]
    assert verdict.endswith("fp32 torch took over")


def test_a_wrong_engine_is_noticed(source: ModelSource, monkeypatch: pytest.MonkeyPatch):
    """A runtime that gets a whole scale wrong by 1%."""
    pytest.importorskip("openvino")
    from hma_depth_ros.inference.engines.openvino_engine import OpenVinoEngine

    call = OpenVinoEngine.__call__

    def wrong(self: OpenVinoEngine, image: torch.Tensor, planes: torch.Tensor | None = None):
        maps = call(self, image, planes)
        maps.depths = [1.01 * depth for depth in maps.depths]
        return maps

    monkeypatch.setattr(OpenVinoEngine, "__call__", wrong)
    engine, verdict, warnings = choose(source, precision="fp32")
    assert engine.name == "torch"
    found = re.match(r"failed, median deviation (\S+) of", verdict)
    assert found
    assert float(found[1]) == pytest.approx(0.01, rel=0.02)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "tensorflow"}, "no engine 'tensorflow'"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"engine": "openvino", "precision": "fp16"}, "offers .*not fp16"),
        ({"engine": "openvino", "device": "gpu"}, "no device 'gpu' for OpenVINO"),
        ({"engine": "openvino", "device": "cuda"}, "no device 'cuda' for OpenVINO"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "ONNX Runtime runs fp32 on the CPU"),
        ({"engine": "torch", "precision": "fp16"}, "needs a CUDA device"),
        ({"precision": "fp16"}, "not fp16"),
    ],
)
def test_what_cannot_be_had_is_refused(source: ModelSource, values: dict[str, str], message: str):
    pytest.importorskip("openvino")
    pytest.importorskip("onnxruntime")
    if "not fp16" in message:
        offered = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if "FP16" in offered:
            pytest.skip("this CPU has fp16 (AVX-512)")
    with pytest.raises(HmaDepthError, match=message):
        choose(source, **values)


# --- the cache --------------------------------------------------------------------------------


def test_a_conversion_is_kept_and_a_damaged_one_made_again(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path / "cache"))
    conversions: list[int] = []
    warnings: list[str] = []

    def convert() -> dict[str, bytes]:
        conversions.append(1)
        return {"graph": b"a graph", "weights": bytes(range(256))}

    def get() -> dict[str, bytes]:
        return cached(file_digest(checkpoint), "test-1", convert, warnings.append)

    first = get()
    assert get() == first == convert()
    assert len(conversions) == 2
    assert warnings == []
    (entry,) = (tmp_path / "cache").iterdir()
    good = entry.read_bytes()
    flipped = good[:-3] + bytes([good[-3] ^ 1]) + good[-2:]
    for number, damaged in enumerate((flipped, good[:-10], b"", b"rubbish" * 99), start=1):
        entry.write_bytes(damaged)
        assert get() == first
        assert len(warnings) == number
        assert f"{entry} cannot be used" in warnings[-1]
        assert entry.read_bytes() == good
    assert list((tmp_path / "cache").iterdir()) == [entry]


def test_another_checkpoint_is_another_entry(checkpoint: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path / "cache"))
    other = tmp_path / "other.safetensors"
    other.write_bytes(checkpoint.read_bytes() + b" ")
    assert cached(file_digest(checkpoint), "test", lambda: {"n": b"1"}, fail) == {"n": b"1"}
    assert cached(file_digest(other), "test", lambda: {"n": b"2"}, fail) == {"n": b"2"}


def test_a_cache_that_cannot_be_written_costs_time_only(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path / "file" / "below"))
    warnings: list[str] = []
    assert cached(file_digest(checkpoint), "test", lambda: {"n": b"1"}, warnings.append) == {
        "n": b"1"
    }
    assert "HMA_DEPTH_CACHE" in warnings[0]


def test_a_full_disk_costs_time_only(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """For which safetensors has an exception of its own."""
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    warnings: list[str] = []
    parts = {"n": bytes(100_000)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        assert cached(file_digest(checkpoint), "test", lambda: parts, warnings.append) == parts
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.match(rf"cannot write {tmp_path}.*the conversion is not kept", warnings[0])
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_nothing_is_kept(checkpoint: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("HMA_DEPTH_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # nor is the user known
    warnings: list[str] = []
    found = cached(file_digest(checkpoint), "test", lambda: {"n": b"1"}, warnings.append)
    assert found == {"n": b"1"}
    assert "there is no folder for the cache" in warnings[0]
    assert "set HMA_DEPTH_CACHE" in warnings[0]


def test_a_checkpoint_written_anew_is_not_taken_for_the_loaded_one(tmp_path: Path):
    """Else the old network would be kept as a conversion of the new one, and found for good."""
    pytest.importorskip("openvino")
    path = tmp_path / "best.safetensors"
    info = CheckpointInfo(CONFIG, Preprocessing())
    save_checkpoint(path, random_model(CONFIG), info)
    source = ModelSource(path)
    save_checkpoint(path, random_model(CONFIG), info)
    with pytest.raises(HmaDepthError, match=r"best\.safetensors has changed since it was loaded"):
        start(source, "openvino")


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HMA_DEPTH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hma_depth_ros"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "hma_depth_ros"


@pytest.mark.cuda
def test_captured_graphs_follow_the_size(source: ModelSource, reference: Engine):
    engine = source.start(
        "torch", device="cuda", precision="fp16", threads=0, tuned=False, warn=fail
    )
    for size in ((64, 96), (75, 150), (64, 96), (32, 32), (96, 64), (33, 65), (64, 96)):
        image = noise(*size)
        found = engine(image.cuda()).depth().cpu()
        assert worst(found, reference(image).depth()) < 0.05


def test_torch_compile_is_asked_for_and_checked(
    source: ModelSource, monkeypatch: pytest.MonkeyPatch
):
    """Without waiting for the compiler: that takes minutes."""
    sizes: list[tuple[int, ...]] = []

    def compiler(model: nn.Module) -> object:
        def compiled(image: torch.Tensor, planes: torch.Tensor | None = None) -> object:
            sizes.append(tuple(image.shape))
            return model(image, planes)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    request = EngineRequest(engine="torch", precision="fp32", device="cpu", compiled=True)
    outcome = start_engine(source, request, self_check=True, warn=fail)
    assert outcome.self_check.startswith("passed")  # it is not taken for the reference itself
    assert len(sizes) == 2
    assert sizes[0] == (1, 3, 64, 96)

    def broken(model: nn.Module) -> object:
        def compiled(image: torch.Tensor, planes: torch.Tensor | None = None) -> object:
            raise RuntimeError("no C++ compiler\nmore lines")

        return compiled

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(HmaDepthError, match=r"\(no C\+\+ compiler\); use compile:=false"):
        start_engine(source, request, self_check=True, warn=fail)
