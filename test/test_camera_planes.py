"""Geometry as an input: maps of the camera, and the models that take them, in every engine."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from hma_depth_ros.cli import run_command
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount, plane_coefficients
from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.inference.engines import export
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.engines.engine_choice import EngineRequest, start_engine
from hma_depth_ros.inference.engines.exported_graph import Graph
from hma_depth_ros.inference.engines.model_source import ModelSource
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.network.affine_planes import affine_planes
from hma_depth_ros.network.checkpoint import (
    CheckpointInfo,
    Preprocessing,
    load_checkpoint,
    save_checkpoint,
)
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig

CAMERA = PinholeCamera(fx=180.0, fy=160.0, cx=70.3, cy=30.9, width=150, height=75)
CONFIG = ModelConfig(
    "test_efficientnet",
    (32, 24, 16, 8, 8),
    aspp_channels=8,
    depth_mapping="logarithmic",
    geometry="ground",
    uncertainty=True,
)
INFO = CheckpointInfo(CONFIG, Preprocessing(input_width=150, focal_length=90.0))


def planes(kind, camera, focal_length, mount=USUAL_MOUNT):
    coefficients = plane_coefficients(kind, camera, focal_length=focal_length, mount=mount)
    size = (camera.height, camera.width)
    return affine_planes(torch.from_numpy(coefficients)[None], size)[0].numpy()


@pytest.mark.parametrize("pitch", [0.0, 0.07, -0.05])
def test_the_ground_is_where_a_point_of_the_road_is_seen(pitch: float):
    """A point of the road, projected: there the map says the depth that the network should."""
    mount, focal_length = Mount(height=2.1, pitch=pitch), 90.0
    found = planes("ground", CAMERA, focal_length, mount)[1]
    for ahead, aside in ((6.0, -1.0), (9.0, 2.0), (30.0, 0.0)):
        # Level frame (x right, y down, z ahead) into the camera's, which looks down by pitch.
        y = mount.height * math.cos(pitch) - ahead * math.sin(pitch)
        z = mount.height * math.sin(pitch) + ahead * math.cos(pitch)
        u, v = CAMERA.fx * aside / z + CAMERA.cx, CAMERA.fy * y / z + CAMERA.cy
        if not (0 <= u < CAMERA.width - 1 and 0 <= v < CAMERA.height - 1):
            continue
        column, row = int(u), int(v)
        value = found[row, column] + (v - row) * (found[row + 1, column] - found[row, column])
        assert 10 / value == pytest.approx(z * focal_length / CAMERA.fx, rel=1e-4)


def test_rays_are_those_of_one_camera_whatever_the_lens():
    """At the training focal length: x/z of CAMERA is 90 / 180 of what the network is told."""
    x, y = planes("rays", CAMERA, 90.0)
    assert x[11, 100] == pytest.approx((100 - 70.3) / 180 * 2, rel=1e-5)
    assert y[11, 100] == pytest.approx((11 - 30.9) / 160 * 2, rel=1e-5)
    own = planes("rays", CAMERA, None)
    assert own[0][0, 0] == pytest.approx(-70.3 / 180, rel=1e-5)


def test_coarser_scales_see_the_ray_of_a_blocks_centre():
    full = torch.from_numpy(planes("rays", CAMERA, 90.0))[None, :, :64, :128]
    coarse = torch.nn.functional.avg_pool2d(full, 8)[0]
    smaller = CAMERA.crop(left=0, top=0, width=128, height=64).resize(width=16, height=8)
    expected = planes("rays", smaller, 90.0 / 8)
    assert np.abs(coarse.numpy() - expected).max() < 1e-5


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = HmaDepth(CONFIG)
        for module in model.modules():  # statistics and weights that no two channels share
            if isinstance(module, torch.nn.BatchNorm2d) and module.affine:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                assert module.running_mean is not None
                torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
    path = tmp_path_factory.mktemp("ground") / "ground.safetensors"
    save_checkpoint(path, model, INFO)
    return path


def engine_of(path: Path, name: str, precision: str = "fp32") -> Engine:
    request = EngineRequest(engine=name, precision=precision, device="cpu", threads=1)
    return start_engine(ModelSource(path), request, self_check=True, warn=pytest.fail).engine


def noise(height: int, width: int, batch: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=random)


def assert_equal(found, expected) -> None:
    for a, b in zip(
        (found.depth(), found.masks(), found.full_uncertainty()),
        (expected.depth(), expected.masks(), expected.full_uncertainty()),
        strict=True,
    ):
        assert a.shape == b.shape
        assert float(((a - b) / b.clamp(min=1e-2)).abs().max()) < 2e-3


@pytest.mark.parametrize("name", ["torch", "openvino", "onnxruntime"])
def test_every_engine_takes_the_cameras_maps(checkpoint: Path, name: str):
    for package in {"openvino": ["openvino"], "onnxruntime": ["onnxruntime", "onnxscript"]}.get(
        name, []
    ):
        pytest.importorskip(package)
    source = ModelSource(checkpoint)
    assert source._model is not None
    model, engine = source._model, engine_of(checkpoint, name)
    mean, std = INFO.preprocessing.mean_and_std(torch.device("cpu"))
    for height, width, batch in ((75, 150, 1), (64, 96, 1), (33, 40, 2)):
        image = noise(height, width, batch)
        maps = camera_input(INFO, (height, width), None, Mount(1.2, 0.05))
        assert maps is not None
        maps = maps.expand(batch, -1, -1, -1)
        with torch.no_grad():
            expected = model((image.float() - mean) / std, maps)
            other = model((image.float() - mean) / std, maps * 0)
        assert_equal(engine(image, maps), expected)
        assert float((expected.depth() / other.depth() - 1).abs().median()) > 1e-2


@pytest.mark.parametrize("name", [pytest.param("any.onnx", marks=pytest.mark.long), "fixed.xml"])
def test_exported_files_take_them_too(checkpoint: Path, tmp_path: Path, name: str):
    """Either format and either kind of size; all four together, without maps, in test_export.py."""
    for package in ("openvino", "onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    kind = "onnx" if name.endswith("onnx") else "openvino"
    size = ["--size", "75x150"] if name.startswith("fixed") else ["--dynamic"]
    path = tmp_path / name
    arguments = [str(checkpoint), "--output", str(path), "--format", kind, *size]
    assert run_command("export", arguments) == 0
    image = noise(75, 150)[0].permute(1, 2, 0).numpy()
    mount = Mount(1.0, -0.03)
    found, expected = (
        DepthPredictor.from_checkpoint(
            file, device="cpu", precision="fp32", engine=engine, mount=mount
        ).predict(image, CAMERA)
        for file, engine in ((path, "auto"), (checkpoint, "torch"))
    )
    for quantity in ("depth", "attention", "uncertainty"):
        a, b = getattr(found, quantity), getattr(expected, quantity)
        assert np.abs(a / b - 1).max() < 2e-3


@pytest.mark.long
def test_a_file_whose_estimate_alone_deviates_is_not_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("openvino")
    model, info = load_checkpoint(checkpoint)
    with torch.no_grad():
        model.get_parameter("decoder.uncertainty_head.share.logit.bias").add_(0.5)
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, model, info)
    # A converter that gives the graph of the other network.
    monkeypatch.setattr(export, "Graph", lambda _, *a, **k: Graph(model, *a, **k))
    make = partial(export.export_model, kind="openvino", size=(75, 150))
    with pytest.raises(HmaDepthError, match=r"deviates from PyTorch by \d\.\de-0[4-9] in depth"):
        make(checkpoint, tmp_path / "m.xml")
    assert list(tmp_path.iterdir()) == [other]
    make(other, tmp_path / "m.xml")


def test_another_mount_or_camera_is_another_input(checkpoint: Path):
    image = noise(75, 150)[0].permute(1, 2, 0).numpy()
    predictor = DepthPredictor.from_checkpoint(checkpoint, device="cpu")

    def depth(camera: PinholeCamera = CAMERA, mount: Mount = USUAL_MOUNT):
        predictor.mount = mount
        found = predictor.predict(image, camera)
        assert found.depth is not None
        assert found.uncertainty is not None
        assert found.uncertainty.shape == (75, 150)
        return found.depth

    first = depth()
    assert np.array_equal(first, depth())
    assert np.median(np.abs(depth(mount=Mount(1.0)) / first - 1)) > 1e-3
    moved = PinholeCamera(180.0, 160.0, 40.3, 50.9, 150, 75)
    other = depth(moved)
    assert np.median(np.abs(other / first - 1)) > 1e-3
    for single, one in zip(
        (first, other), predictor.predict_batch([image, image], [CAMERA, moved]), strict=True
    ):
        assert one.depth is not None
        assert np.abs(one.depth / single - 1).max() < 1e-4
