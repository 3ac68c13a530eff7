"""What ONNX Runtime is asked for on a GPU, without one: the providers' options and the choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines import onnxruntime_engine
from hma_depth_ros.inference.engines.model_file import ModelFormat
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.engines.onnxruntime_engine import (
    MOST_IMAGES,
    OnnxRuntimeEngine,
    gpu_index,
)
from hma_depth_ros.network.model_config import ModelConfig

onnx = pytest.importorskip("onnx")

CONFIG = ModelConfig("mobilenetv3_small_050", (16, 16, 8, 8, 8), aspp_channels=8)
GPU = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
CPU = "CPUExecutionProvider"


class Runtime:
    """ONNX Runtime with GPU providers, which start or do not."""

    def __init__(self, *starting: str, available: tuple[str, ...] = GPU) -> None:
        self.starting, self.available = starting, available
        self.asked: list[list[tuple[str, dict[str, Any]]]] = []
        self.options: list[Any] = []

    def get_available_providers(self) -> list[str]:
        return [*self.available, CPU]

    def SessionOptions(self) -> SimpleNamespace:
        return SimpleNamespace()

    def InferenceSession(self, content: bytes, options: object, *, providers: list[Any]) -> Any:
        self.asked.append(providers)
        self.options.append(options)
        return SimpleNamespace(get_providers=lambda: [*self.starting, CPU])


@pytest.fixture(autouse=True)
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HMA_DEPTH_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(onnxruntime_engine, "only_outputs", lambda model, names: model)


def model(weight: float) -> Any:
    """All that the engine reads of a model: its input, and what makes it another one."""
    helper, kind = onnx.helper, onnx.TensorProto
    image = helper.make_tensor_value_info("image", kind.UINT8, [None, None, None, 3])
    depth = helper.make_tensor_value_info("depth", kind.FLOAT, [1])
    constant = helper.make_tensor("w", kind.FLOAT, [1], [weight])
    node = helper.make_node("Identity", ["w"], ["depth"])
    return helper.make_model(helper.make_graph([node], "g", [image], [depth], [constant]))


SIZE = (64, 96)


def start(
    monkeypatch: pytest.MonkeyPatch,
    *,
    weight: float = 1.0,
    precision: str = "fp32",
    starting: tuple[str, ...] = GPU,
    config: ModelConfig = CONFIG,
) -> tuple[OnnxRuntimeEngine, dict[str, dict[str, Any]], Runtime]:
    runtime = Runtime(*starting)
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: runtime)
    engine = OnnxRuntimeEngine(
        model(weight), config, device="cuda", precision=precision, first_size=SIZE
    )
    (providers,) = runtime.asked
    assert [name for name, _ in providers] == [*GPU, CPU]
    return engine, dict(providers), runtime


def test_a_model_with_other_weights_has_other_tensorrt_engines(monkeypatch, tmp_path: Path):
    """ONNX Runtime names them by the graph alone, and would run those of the other model."""
    folders = []
    for weight in (1.0, 1.0, 2.0):
        _, providers, _ = start(monkeypatch, weight=weight)
        options = providers["TensorrtExecutionProvider"]
        assert options["trt_engine_cache_enable"] is True
        assert options["trt_timing_cache_path"] == options["trt_engine_cache_path"]
        folders.append(Path(options["trt_engine_cache_path"]))
        assert folders[-1].is_dir()
        assert folders[-1].is_relative_to(tmp_path / "tensorrt")
    assert folders[0] == folders[1] != folders[2]


def test_tensorrt_is_told_of_half_precision_and_cuda_of_full_one(monkeypatch):
    for precision, half in (("fp32", False), ("fp16", True)):
        engine, providers, _ = start(monkeypatch, precision=precision)
        assert providers["TensorrtExecutionProvider"]["trt_fp16_enable"] is half
        assert providers["CUDAExecutionProvider"] == {"device_id": 0, "use_tf32": 0}
        assert engine.hardware == "cuda:0 by Tensorrt"
        assert engine.device == torch.device("cuda", 0), "images and maps stay there"


def test_tensorrt_builds_for_the_sizes_that_it_is_told(monkeypatch):
    """One engine for each size, of any number of images up to a rig's; none in a frame."""
    engine, _, runtime = start(monkeypatch)
    engine.prepare((352, 1216))
    engine.prepare((350, 1200))  # the same when padded
    engine.prepare(SIZE)
    found = [dict(providers)["TensorrtExecutionProvider"] for providers in runtime.asked]
    assert [options["trt_profile_min_shapes"] for options in found] == [
        "image:1x64x96x3",
        "image:1x352x1216x3",
    ]
    assert found[1]["trt_profile_opt_shapes"] == "image:1x352x1216x3"
    assert found[1]["trt_profile_max_shapes"] == f"image:{MOST_IMAGES}x352x1216x3"
    assert found[0]["trt_engine_cache_path"] != found[1]["trt_engine_cache_path"]
    for rows in (32, 64, 96, 128):
        engine.prepare((rows, 32))
    assert len(runtime.asked) == 6
    engine.prepare(SIZE)  # whose turn was long ago
    assert len(runtime.asked) == 7


def test_tensorrt_is_told_the_shapes_of_the_camera_too(monkeypatch):
    config = replace(CONFIG, geometry="rays")
    _, providers, _ = start(monkeypatch, config=config)
    shapes = providers["TensorrtExecutionProvider"]["trt_profile_max_shapes"]
    planes = f"camera_planes:{MOST_IMAGES}x{config.camera_planes}x64x96"
    assert shapes == f"image:{MOST_IMAGES}x64x96x3,{planes}"


def test_a_gpu_that_does_not_start_is_not_replaced_by_the_cpu_in_silence(monkeypatch):
    engine, _, _ = start(monkeypatch, starting=("CUDAExecutionProvider",))
    assert engine.hardware == "cuda:0 by CUDA"
    with pytest.raises(HmaDepthError, match=r"cannot start on cuda:0.*device:=cpu"):
        start(monkeypatch, starting=())


@pytest.mark.parametrize(
    ("device", "available", "index"),
    [
        ("auto", (), None),
        ("auto", GPU, 0),
        ("auto", GPU[1:], 0),
        ("cpu", GPU, None),
        ("cpu", (), None),
        ("cuda", GPU[:1], 0),
        ("cuda:1", GPU, 1),
    ],
)
def test_which_gpu_is_asked_for(monkeypatch, device: str, available: tuple[str, ...], index: int):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    runtime = Runtime(available=available)
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: runtime)
    assert gpu_index(device) == index


def test_a_package_without_a_gpu_s_part_is_named(monkeypatch):
    runtime = Runtime(available=())
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: runtime)
    with pytest.raises(HmaDepthError, match="cannot use device 'cuda': install onnxruntime-gpu"):
        gpu_index("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: Runtime(*GPU))
    assert gpu_index("auto") is None, "the package alone is no GPU"


def test_without_tensorrt_one_session_serves_all_sizes(monkeypatch):
    runtime = Runtime(GPU[1], available=GPU[1:])
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: runtime)
    engine = OnnxRuntimeEngine(model(1.0), CONFIG, device="cuda", threads=3, first_size=SIZE)
    engine.prepare((320, 320))
    (providers,) = runtime.asked
    assert providers == [(GPU[1], {"device_id": 0, "use_tf32": 0}), (CPU, {})]
    assert runtime.options[0].intra_op_num_threads == 3
    assert runtime.options[0].log_severity_level == 3, "errors only"


def test_files_of_tensorrt_are_checked_before_they_are_used_and_noted_afterwards(
    monkeypatch, tmp_path: Path
):
    """A planted engine is not run."""
    _, providers, _ = start(monkeypatch)
    folder = Path(providers[GPU[0]]["trt_engine_cache_path"])
    assert [file.name for file in folder.iterdir()] == ["sha256.json"]
    (folder / "planted.engine").write_bytes(b"theirs")
    there: list[bool] = []
    session = Runtime.InferenceSession

    def building(self: Runtime, *args: Any, **kwargs: Any) -> Any:
        there.append((folder / "planted.engine").exists())
        (folder / "built.engine").write_bytes(b"ours")
        return session(self, *args, **kwargs)

    monkeypatch.setattr(Runtime, "InferenceSession", building)
    start(monkeypatch)
    start(monkeypatch)
    assert there == [False, False]
    assert (folder / "built.engine").exists()
    assert "built.engine" in (folder / "sha256.json").read_text()


def test_what_the_runtime_cannot_do_is_one_error(monkeypatch):
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("no such operator")

    monkeypatch.setattr(Runtime, "InferenceSession", broken)
    with pytest.raises(HmaDepthError, match="ONNX Runtime cannot run this model: no such operator"):
        start(monkeypatch)


def test_images_go_to_the_gpu_as_bytes_in_parts(monkeypatch):
    """Those of floating-point numbers are rounded; the camera's maps go with their images."""
    given: list[dict[str, torch.Tensor]] = []

    def run(_: Any, inputs: dict[str, torch.Tensor], names: list[str]) -> list[torch.Tensor]:
        given.append(inputs)
        mean = inputs["image"].float().mean(dim=(1, 2, 3))
        return [mean.view(-1, 1, 1, 1) + number for number, _ in enumerate(names)]

    monkeypatch.setattr(onnxruntime_engine, "run_bound", run)
    engine, _, _ = start(monkeypatch, config=replace(CONFIG, geometry="rays"))
    engine.device = torch.device("cpu")  # where the tensors of this test are
    count = MOST_IMAGES + 2
    image = torch.arange(count).view(-1, 1, 1, 1).expand(-1, 3, 33, 64) + 0.4
    image = image.clone()
    image[0], image[1] = -7.0, 300.0
    planes = torch.rand(count, engine._config.camera_planes, 33, 64, dtype=torch.float64)
    found = engine._on_gpu(image, planes)
    assert [tuple(inputs["image"].shape) for inputs in given] == [
        (MOST_IMAGES, 64, 64, 3),
        (2, 64, 64, 3),
    ]
    for inputs in given:
        assert inputs["image"].dtype == torch.uint8
        assert inputs["camera_planes"].dtype == torch.float32
        assert inputs["camera_planes"].shape[2:] == (64, 64)
    expected = torch.tensor([0.0, 255.0, *range(2, count)])
    for number, maps in enumerate(found):
        torch.testing.assert_close(maps.flatten(), expected + number)
    both = torch.cat([inputs["camera_planes"] for inputs in given])
    torch.testing.assert_close(both[..., :33, :], planes.float())
    given.clear()
    assert len(engine._on_gpu(image[:1].to(torch.uint8), planes[:1])) == len(engine._names)
    assert len(given) == 1


def test_a_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path: Path):
    (tmp_path / "tensorrt").touch()
    with pytest.raises(HmaDepthError, match=r"cannot make .*tensorrt.*HMA_DEPTH_CACHE"):
        start(monkeypatch)


def test_the_order_of_the_engines(monkeypatch):
    source = object.__new__(ModelSource)
    onnx_file, checkpoint = ModelFormat.ONNX, ModelFormat.CHECKPOINT
    expected = {
        (onnx_file, "auto"): ["onnxruntime", "openvino"],
        (onnx_file, "cuda:0"): ["onnxruntime"],
        (onnx_file, "cpu"): ["openvino", "onnxruntime"],
        (onnx_file, "gpu"): ["openvino"],
        (checkpoint, "auto"): ["torch"],
        (checkpoint, "cuda"): ["torch"],
        (checkpoint, "cpu"): ["openvino", "torch"],
        (checkpoint, "gpu:1"): ["openvino"],
        (ModelFormat.OPENVINO, "auto"): ["openvino"],
    }
    for (source.format, device), engines in expected.items():
        assert source.engines(device) == engines
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    source.format = checkpoint
    assert source.engines("auto") == ["openvino", "torch"]
