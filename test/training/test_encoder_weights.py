"""`model.weights=encoder:FILE`: an encoder's weights from a file, without a network."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from safetensors.torch import save_file
from torch import Tensor

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import CheckpointInfo, Preprocessing, save_checkpoint
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.training import encoder_weights
from hma_depth_ros.training.initial_weights import initial_model, weights_name
from hma_depth_ros.training.run_config import ModelSection


def _section(path: Path, encoder: str = "resnet18") -> ModelSection:
    return ModelSection(
        encoder=encoder,
        decoder_channels=(16, 16, 8, 8, 8),
        aspp_channels=8,
        weights=f"encoder:{path}",
    )


def _loaded(path: Path, encoder: str = "resnet18") -> HmaDepth:
    return initial_model(_section(path, encoder)).eval()


@pytest.fixture(scope="module")
def resnet() -> torchvision.models.ResNet:
    """torchvision's, with statistics that are not those of a beginning."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
    return model.eval()


IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def _features(resnet: torchvision.models.ResNet) -> dict[int, Tensor]:
    x = resnet.relu(resnet.bn1(resnet.conv1(IMAGE)))
    found = {2: x}
    x = resnet.maxpool(x)
    for reduction, name in zip(
        (4, 8, 16, 32), ("layer1", "layer2", "layer3", "layer4"), strict=True
    ):
        x = found[reduction] = getattr(resnet, name)(x)
    return found


@pytest.mark.parametrize("kind", ["usual", "of a trainer", "of 2017"])
@torch.no_grad()
def test_features_are_those_of_the_files_network(
    tmp_path: Path, resnet: torchvision.models.ResNet, kind: str
):
    path = tmp_path / "r.safetensors"
    weights = resnet.state_dict()
    if kind == "of a trainer":
        weights = {f"module.{n}": t for n, t in weights.items()}
    elif kind == "of 2017":
        weights = {n: t for n, t in weights.items() if not n.endswith("tracked")}
    save_file(weights, path)
    found = _loaded(path).encoder(IMAGE)
    for reduction, expected in _features(resnet).items():
        torch.testing.assert_close(found[reduction], expected)


@pytest.mark.parametrize("old", [False, True])
@torch.no_grad()
def test_a_densenet_of_torchvision_too(tmp_path: Path, old: bool):
    """Its files write `norm.1` for `norm1`, and timm's features have names of their own."""
    torch.manual_seed(0)
    densenet = torchvision.models.densenet121().eval()
    weights = densenet.state_dict()
    if old:
        pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12]\.)")
        weights = {pattern.sub(r"\1.\2", name): t for name, t in weights.items()}
        assert "features.denseblock1.denselayer1.norm.1.weight" in weights
    save_file(weights, tmp_path / "d.safetensors")
    found = _loaded(tmp_path / "d.safetensors", "densenet121").encoder(IMAGE)
    torch.testing.assert_close(found[2], densenet.features[:3](IMAGE))
    torch.testing.assert_close(found[4], densenet.features[:5](IMAGE))


def test_the_encoder_of_another_model_of_ours(tmp_path: Path):
    other = HmaDepth(ModelConfig("resnet18", (32, 16, 8, 8, 8), aspp_channels=16, scales=3))
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, other, CheckpointInfo(other.config, Preprocessing()))
    found = _loaded(path).encoder.state_dict()
    assert all(torch.equal(found[n], t) for n, t in other.encoder.state_dict().items())
    assert weights_name(_section(path)) == "encoder:other.safetensors"


def _write(path: Path, kind: str, weights: dict[str, Tensor]) -> None:
    if kind == "another encoder":
        save_file(torchvision.models.resnet34().state_dict(), path)
    elif kind == "another width":
        save_file({**weights, "conv1.weight": torch.zeros(32, 3, 7, 7)}, path)
    elif kind == "half":
        save_file({n: t for n, t in weights.items() if not n.startswith("layer4")}, path)
    elif kind == "nan":
        save_file({**weights, "bn1.weight": weights["bn1.weight"] * torch.nan}, path)
    elif kind == "empty":
        save_file({}, path)
    elif kind == "pointer":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n")
    elif kind == "cut":
        save_file(weights, path)
        path.write_bytes(path.read_bytes()[:100_000])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("none", "model.weights=encoder:.*none.safetensors: no such file"),
        ("another width", r"of another network than resnet18: it has 'conv1.weight' as \(32, 3,"),
        ("half", r"it has no 'layer4.0.conv1.weight'; 25 tensors do not fit"),
        ("nan", r"nan.safetensors: weights are not finite, the first in 'bn1.weight'"),
        ("empty", r"empty.safetensors holds no weights"),
        ("pointer", r"pointer.safetensors is a Git LFS pointer"),
        ("cut", r"cut.safetensors cannot be read as weights: "),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    tmp_path: Path, resnet: torchvision.models.ResNet, kind: str, message: str
):
    path = tmp_path / f"{kind}.safetensors"
    _write(path, kind, resnet.state_dict())
    with pytest.raises(HmaDepthError, match=message) as error:
        _loaded(path)
    assert "\n" not in str(error.value)


def test_a_deeper_network_is_not_taken_in_part(tmp_path: Path):
    """It has all layers of the smaller one, and they are not what was learnt together."""
    _write(tmp_path / "r.safetensors", "another encoder", {})
    with pytest.raises(HmaDepthError, match=r"another network .* 'layer1\.2\."):
        _loaded(tmp_path / "r.safetensors")


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_pickle_is_not_opened(
    tmp_path: Path, resnet: torchvision.models.ResNet, suffix: str, zipped: bool
):
    """Not the tensors in it either, however it is named; the line says how to convert one."""
    path, planted = tmp_path / f"r{suffix}", tmp_path / "planted"
    for content in (resnet.state_dict(), {"conv1.weight": Planted(planted)}):
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(HmaDepthError, match=r"is a pickle, .* not opened here; .*convert it: "):
            _loaded(path)
    assert not planted.exists()


def test_the_conversion_that_is_named_works(tmp_path: Path, resnet: torchvision.models.ResNet):
    source, target = tmp_path / "r.pth", tmp_path / "r.safetensors"
    torch.save(resnet.state_dict(), source)
    command = encoder_weights._CONVERSION.replace("IN.pth", str(source))
    command = command.replace("OUT.safetensors", str(target)).replace("python3", sys.executable)
    subprocess.run(shlex.split(command), check=True)
    loaded = _loaded(target).encoder.backbone.state_dict()
    assert torch.equal(loaded["conv1.weight"], resnet.conv1.weight)
