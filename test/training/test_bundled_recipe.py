"""What the bundled model's recipe adds: mounts, scenes, second labels, own scales, own error."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from hma_depth_ros.cli import run_command
from hma_depth_ros.data.depth.depth_png import read_depth_png, write_depth_png
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import KITTI
from hma_depth_ros.evaluation.quick_error import ErrorMeasure, validate
from hma_depth_ros.geometry.camera import Intrinsics, PinholeCamera
from hma_depth_ros.network.affine_planes import affine_planes
from hma_depth_ros.network.depth_mapping import share_of, to_metres
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.network.model_config import ModelConfig
from hma_depth_ros.training.losses.pooled_truth import pooled_pairs
from hma_depth_ros.training.losses.scale_invariant import scale_invariant_error
from hma_depth_ros.training.losses.uncertainty import uncertainty_loss
from hma_depth_ros.training.pseudo_labels import agreed_depth, views_of
from hma_depth_ros.training.samples.augmentation import Augmentation
from hma_depth_ros.training.samples.dataset import CropDataset, CropSettings, SampleKey
from hma_depth_ros.training.samples.sampler import GlobalBatchSampler, scene_weights

CAMERA = PinholeCamera(150.0, 140.0, 85.0, 40.0, 192, 96)
HEIGHT = 1.5  # metres of the camera above the road


@pytest.fixture
def road(tmp_path: Path) -> SplitEntry:
    """A flat road as seen by a level camera; no depth above the horizon or beyond 60 m."""
    folder = tmp_path / "image"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.full((96, 192, 3), 99, np.uint8))
    rows = np.arange(96.0)[:, None].repeat(192, 1)
    with np.errstate(divide="ignore"):
        depth = CAMERA.fy * HEIGHT / (rows - CAMERA.cy)
    depth[(depth < 0) | (depth > 60)] = 0
    write_depth_png(tmp_path / "depth.png", depth)
    camera = Intrinsics(CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)
    return SplitEntry(folder / "a.png", tmp_path / "depth.png", CAMERA.fx, camera)


def test_a_road_is_the_ground_that_the_network_is_told(road: SplitEntry):
    """In every view: cut, enlarged, mirrored, and by a camera that looks further down or up."""
    settings = CropSettings(64, 128, "whole", 160, 100.0, camera_height=HEIGHT)
    pitched = Augmentation(rotation=0.0, zoom=1.5, flip=0.5, colour=0.0, pitch=4.0)
    dataset = CropDataset([road], settings, pitched, seed=0, geometry="ground")
    horizons = []
    for epoch in range(8):
        sample = dataset[SampleKey(epoch, 0)]
        across, ground = affine_planes(sample["planes"][None], (64, 128))[0]
        depth = sample["depth"][0]
        known = depth > 0
        assert known.float().mean() > 0.2
        # Depth is taken from the nearest pixel of the frame, half a row aside at most.
        near = known & (depth < 8)
        ratio = (10 / ground / depth)[near]
        assert float((ratio.median() - 1).abs()) < 0.02
        assert float((ratio - 1).abs().max()) < 0.1
        assert float(across.diff(dim=1).mean()) == pytest.approx(1 / 100.0, rel=1e-4)
        horizons.append(float(-ground[0, 0] / (ground[1, 0] - ground[0, 0])))
    assert max(horizons) - min(horizons) > 8  # rows by which the views differ


def test_a_larger_world_from_higher_above_looks_the_same(road: SplitEntry):
    assert isinstance(road.depth, Path)
    depth = read_depth_png(road.depth)
    depth[:10] = 80.0  # the sky
    write_depth_png(road.depth, depth)
    longer = 1.2 * CAMERA.fx  # the sky is 96 m away to a network of that focal length
    settings = CropSettings(96, 192, "whole", focal_length=longer, sky=80.0, camera_height=HEIGHT)
    still = Augmentation(rotation=0.0, flip=0.0, colour=0.0)
    crops = partial(CropDataset, [road], settings, seed=0, geometry="ground", max_depth=80.0)
    before = crops(still)[SampleKey(0, 0)]
    assert (before["depth"][0, :10] == 80).all(), "no farther than the network can say"
    dataset = crops(replace(still, height=0.9, height_factor=(0.5, 2.0)))
    factors = []
    for epoch in range(40):
        sample = dataset[SampleKey(epoch, 0)]
        assert torch.equal(sample["image"], before["image"])
        torch.testing.assert_close(sample["planes"][0], before["planes"][0])
        factor = float(before["planes"][1, 1] / sample["planes"][1, 1])
        torch.testing.assert_close(sample["planes"][1] * factor, before["planes"][1])
        expected = before["depth"] * factor
        expected[expected > 80] = 0
        expected[before["depth"] == 80] = 80
        torch.testing.assert_close(sample["depth"], expected)
        factors.append(factor)
    assert 1 <= factors.count(1.0) <= 8
    factors = [factor for factor in factors if factor != 1]
    assert 0.5 <= min(factors) < 0.7
    assert 1.5 < max(factors) <= 2
    assert abs(np.log(factors).mean()) < 0.25


def test_a_larger_world_is_for_networks_that_are_told_the_height(road: SplitEntry):
    with pytest.raises(
        HmaDepthError, match=r"augmentation\.height=0\.5 is for .*model\.geometry=ground"
    ):
        CropDataset([road], CropSettings(), Augmentation(height=0.5), seed=0, geometry="rays")


def test_pitch_turns_the_camera_and_not_the_picture_alone(road: SplitEntry):
    """A wall across the road, 10 m ahead: seen from a tilted camera its depth falls with height."""
    assert isinstance(road.depth, Path)
    write_depth_png(road.depth, np.full((96, 192), 10.0))
    settings = CropSettings(96, 192, "whole", focal_length=CAMERA.fx)
    tilted = Augmentation(rotation=0.0, flip=0.0, colour=0.0, pitch=10.0)
    sample = CropDataset([road], settings, tilted, seed=3, geometry="rays")[SampleKey(0, 0)]
    depth, y = sample["depth"][0], affine_planes(sample["planes"][None], (96, 192))[0, 1]
    known = depth > 0
    # 10 = Z (cos p - y sin p) for every ray (x, y, 1): one p explains all of it.
    slope = np.polyfit(y[known].numpy(), (10 / depth[known]).numpy(), 1)
    assert abs(math.degrees(math.atan2(-slope[0], slope[1]))) > 0.5
    assert np.hypot(*slope) == pytest.approx(1.0, abs=2e-3)
    residual = np.polyval(slope, y[known].numpy()) - (10 / depth[known]).numpy()
    assert np.abs(residual).max() < 2e-3


def test_scenes_are_drawn_by_the_root_of_their_frames():
    scenes = ["long"] * 64 + ["short"] * 4
    weights = scene_weights(scenes, 0.5)
    assert weights.sum() == pytest.approx(len(scenes))
    assert weights[:64].sum() / weights[64:].sum() == pytest.approx(8 / 2)
    sampler = GlobalBatchSampler(len(scenes), batch_size=4, seed=1, weights=weights)
    drawn: Counter[int] = Counter()
    for epoch in range(50):
        sampler.set_position(epoch)
        keys = [key for batch in sampler for key in batch]
        assert len(keys) == len(set(keys)) == len(scenes)  # each turn is a sample of its own
        drawn.update(key.frame for key in keys)
        counts = Counter(key.frame for key in keys)
        assert all(abs(counts[f] - weights[f]) < 1 for f in range(len(scenes)))
    short = sum(drawn[frame] for frame in range(64, 68)) / 50
    assert short == pytest.approx(weights[64:].sum(), rel=0.02)


def test_a_second_truth_fills_the_gaps_and_weighs_less(road: SplitEntry, tmp_path: Path):
    (tmp_path / "stereo").mkdir()
    (tmp_path / "deep").mkdir()
    stereo = np.zeros((96, 192))
    stereo[:20] = 33.0
    write_depth_png(tmp_path / "stereo" / "a.png", stereo)
    write_depth_png(tmp_path / "deep" / "a.png", np.full((96, 192), 44.0))
    settings = CropSettings(96, 192, "whole", focal_length=CAMERA.fx)
    still = Augmentation(rotation=0.0, flip=0.0, colour=0.0)
    dataset = CropDataset(
        [road], settings, still, seed=0, second=("stereo", "deep", "none"), second_weight=0.25
    )
    sample = dataset[SampleKey(0, 0)]
    depth, weight = sample["depth"][0], sample["weight"][0]
    assert torch.all(depth[:20] == 33)
    assert torch.all(depth[20:40] == 44)
    assert torch.all(weight[:40] == 0.25)
    assert torch.all(weight[60:] == 1)
    assert float(depth[95, 0]) == pytest.approx(CAMERA.fy * HEIGHT / 55, abs=0.01)
    cached = CropDataset(
        [road], settings, still, seed=0, second=("stereo",), second_weight=0.25, cache=True
    )
    (tmp_path / "stereo" / "a.png").unlink()
    assert torch.all(cached[SampleKey(0, 0)]["depth"][0, :20] == 33)


def test_a_weight_counts_a_pixel_so_many_times():
    random = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand(1, 1, 1, 6, generator=random) * 9 + 1 for _ in range(2))
    valid = torch.ones(1, 1, 1, 6, dtype=torch.bool)
    weight = torch.tensor([1.0, 2, 3, 1, 0, 1]).view(1, 1, 1, 6)
    times = [0, 1, 1, 2, 2, 2, 3, 5]
    found = scale_invariant_error(prediction, target, valid, weight=weight)
    expected = scale_invariant_error(
        prediction[..., times], target[..., times], valid[..., [0] * len(times)]
    )
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_scale_is_asked_for_what_its_cells_can_say():
    """Cells of 8 pixels: the geometric mean of what is known there, and nothing of the padding."""
    target = torch.zeros(1, 1, 40, 48)
    target[..., :8, :4], target[..., :8, 4:8] = 4.0, 16.0
    target[0, 0, 8, 8] = 7.0
    coarse, fine = torch.ones(1, 1, 8, 8), torch.ones(1, 1, 64, 64)
    maps = ScaleMaps([coarse, fine], [coarse], (64, 64), (40, 48))
    (own, truth, known, _), (last, same, valid, _) = pooled_pairs(maps, target, target > 1, None)
    assert own.shape == truth.shape == (1, 1, 5, 6)
    assert float(truth[0, 0, 0, 0]) == pytest.approx(8.0, rel=1e-5)
    assert float(truth[0, 0, 1, 1]) == pytest.approx(7.0, rel=1e-5)
    assert int(known.sum()) == 2
    assert last.shape == same.shape == (1, 1, 40, 48)
    assert torch.equal(valid, target > 1)


def test_the_estimated_error_settles_where_two_thirds_are_below():
    random = torch.Generator().manual_seed(0)
    uniform = torch.rand(1, 1, 100, 200, generator=random)
    error = -0.1 * uniform.log()  # |e| of a Laplace distribution of scale 0.1
    target = torch.full_like(error, 10.0)
    depth = (target.log() + error).exp().requires_grad_()
    sigma = torch.tensor(0.3, requires_grad=True)
    optimiser = torch.optim.Adam([sigma], lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        loss = uncertainty_loss(sigma.expand_as(depth), depth, target, target > 1)
        loss.backward()
        optimiser.step()
    assert depth.grad is None, "a network must not buy likelihood with worse depth"
    assert float((error < sigma).float().mean()) == pytest.approx(0.683, abs=0.01)


@pytest.mark.parametrize("mapping", ["linear", "logarithmic", "inverse"])
def test_depth_and_share_are_each_others_inverse(mapping: str):
    config = ModelConfig("resnet50", depth_mapping=mapping, min_depth=1.5)  # type: ignore[arg-type]
    for metres in (2.0, 12.0, 79.0):
        share = torch.tensor(share_of(metres, config))
        assert 0 < float(share) < 1
        assert float(to_metres(share, config)) == pytest.approx(metres, rel=1e-5)
    ends = [float(to_metres(torch.tensor(x), config)) for x in (0.0, 1.0)]
    assert ends == pytest.approx([0.0 if mapping == "linear" else 1.5, 80.0], rel=1e-5)


class Columns:
    """A network that says a depth for each column, times its factor."""

    def __init__(self, factor: float) -> None:
        self.factor, self.input_width = factor, 64
        self.seen: list[tuple[int, float]] = []

    def predict(self, image, camera, outputs):
        self.seen.append((self.input_width, camera.cx))
        depth = image[..., 0].astype(np.float32) * self.factor
        return SimpleNamespace(depth=depth)


def test_pseudo_labels_are_what_networks_agree_on():
    image = np.tile(np.arange(10, 20, dtype=np.uint8)[None, :, None], (4, 1, 3))
    camera = PinholeCamera(20.0, 20.0, 3.0, 2.0, 10, 4)
    members = [Columns(1.0), Columns(1.1)]
    depths = list(views_of(members, [None, 96], image, camera))  # type: ignore[arg-type]
    assert members[0].seen == [(64, 3.0), (64, 6.0), (96, 3.0), (96, 6.0)]
    assert members[0].input_width == 64
    for depth in depths:  # mirrored back
        assert np.all(np.diff(depth, axis=1) > 0)
    label = agreed_depth(depths, tolerance=0.05)
    np.testing.assert_allclose(label, image[..., 0] * math.sqrt(1.1), rtol=1e-5)
    assert not agreed_depth(depths, tolerance=0.04).any()


def test_pseudo_labels_of_a_list(road: SplitEntry, tmp_path: Path, tiny_checkpoint: Path):
    (tmp_path / "list.txt").write_text("image/a.png None 150.0 140.0 85.0 40.0\n")
    arguments = ["--checkpoint", str(tiny_checkpoint), "--split", str(tmp_path / "list.txt")]
    labels = tmp_path / "labels.txt"
    arguments += ["--tolerance", "9", "--device", "cpu", "--list", str(labels)]
    assert run_command("pseudo_labels", arguments) == 0
    (entry,) = read_split(labels)
    assert entry.depth == tmp_path / "depth_pseudo" / "a.png"
    depth = read_depth_png(tmp_path / "depth_pseudo" / "a.png")
    assert depth.shape == (96, 192)
    assert (depth > 0).all()


@pytest.mark.parametrize("folder", ["image", "depth", "../{name}/depth"])
def test_labels_replace_neither_images_nor_ground_truth(
    road: SplitEntry,
    tmp_path: Path,
    tiny_checkpoint: Path,
    folder: str,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth.png").rename(tmp_path / "depth" / "a.png")
    listed = tmp_path / "list.txt"
    listed.write_text("image/a.png depth/a.png 150.0\nimage/a.png None 150.0\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert len(before) == 2
    arguments = ["--checkpoint", str(tiny_checkpoint), "--split", str(listed), "--folder"]
    assert run_command("pseudo_labels", [*arguments, folder.format(name=tmp_path.name)]) == 2
    assert "holds images or ground truth of the list" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before


def test_validation_says_by_what_the_estimate_is_to_be_multiplied(road: SplitEntry):
    """Errors of log depth 0 to 0.3 in equal shares, estimated to be 0.1."""
    assert isinstance(road.depth, Path)
    write_depth_png(road.depth, np.full((96, 192), 10.0))
    depth = (10 * np.exp(np.linspace(0, 0.3, 96 * 192))).reshape(96, 192).astype(np.float32)
    found = SimpleNamespace(depth=depth, attention=None, uncertainty=np.full_like(depth, 0.1))
    predictor = SimpleNamespace(predict=lambda *_, **__: found)
    measure = ErrorMeasure.named("full", KITTI)
    sums = validate(predictor, [road], measure)  # type: ignore[arg-type]
    assert sums.uncertainty_scale() == pytest.approx(0.6827 * 3, rel=0.01)
    found.uncertainty = None
    sums = validate(predictor, [road], measure)  # type: ignore[arg-type]
    assert sums.uncertainty_scale() is None
