"""Equation 6 in its two forms, the auxiliary error of the scales, and the semantic smoothness."""

from __future__ import annotations

import math

import pytest
import torch

from hma_depth_ros.data.semantic_labels import NO_LABEL
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.synthetic.synthetic_drive import SyntheticDrive
from hma_depth_ros.training.losses.gradient import gradient_error
from hma_depth_ros.training.losses.objective import objective
from hma_depth_ros.training.losses.pixel_weights import pixel_weights
from hma_depth_ros.training.losses.scale_invariant import scale_invariant_error, silog_loss
from hma_depth_ros.training.losses.smoothness import semantic_smoothness
from hma_depth_ros.training.run_config import LossSection


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


@pytest.mark.parametrize("loss", [scale_invariant_error, silog_loss])
def test_the_gradient_agrees_with_finite_differences(loss):
    torch.manual_seed(1)
    y, truth = torch.rand(3, 4) * 20 + 2, torch.rand(3, 4) * 20 + 2
    valid = torch.rand(3, 4) > 0.3
    y.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(y, truth, valid), y)
    step = 1e-2
    for index in range(y.numel()):
        shift = torch.zeros(12)
        shift[index] = step
        ends = [loss(y.detach() + sign * shift.view(3, 4), truth, valid) for sign in (1, -1)]
        found = gradient.flatten()[index].item()
        assert ((ends[0] - ends[1]) / (2 * step)).item() == pytest.approx(found, abs=2e-3)


def test_half_precision_is_widened_before_the_logarithm():
    """Under autocast depth may be bfloat16, whose 8 bits would lose errors under half a percent."""
    y, truth = torch.full((8,), 10.0, dtype=torch.bfloat16), torch.full((8,), 10.02)
    everywhere = torch.ones(8, dtype=torch.bool)
    found = scale_invariant_error(y, truth, everywhere, lam=0.0).item()
    assert found == pytest.approx(math.log(10.02 / 10) ** 2, rel=1e-3)


def test_perfect_fit_invalid_zeros_and_no_pixel_at_all_have_finite_gradients():
    for truth, y in (
        (torch.ones(4), torch.ones(4)),
        (torch.tensor([0.0, 2.0]), torch.tensor([0.0, 3.0])),
        (torch.zeros(3), torch.zeros(3)),
    ):
        y.requires_grad_()
        loss = silog_loss(y, truth, truth > 0)
        loss.backward()
        assert y.grad is not None
        assert torch.isfinite(y.grad).all()
        assert (y.grad[truth == 0] == 0).all()


def _maps(*depths: torch.Tensor) -> ScaleMaps:
    size = (depths[-1].shape[-2], depths[-1].shape[-1])
    attentions = [torch.full_like(depth, 0.25) for depth in depths[:-1]]
    return ScaleMaps(list(depths), attentions, padded_size=size, size=size)


def test_the_auxiliary_error_is_the_mean_of_each_scales_own():
    torch.manual_seed(0)
    coarse, fine = torch.rand(1, 1, 2, 2) + 2, torch.rand(1, 1, 4, 4) + 2
    maps = _maps(coarse, fine)
    truth = torch.rand(1, 1, 4, 4) + 3
    batch = {"depth": truth}
    parts = objective(maps, batch, LossSection(scale_weight=0.5), minimum_depth=1.0)
    up = torch.nn.functional.interpolate(coarse, size=(4, 4), mode="bilinear")
    own = [silog_loss(depth, truth, truth > 1) for depth in (up, fine)]
    final = silog_loss(0.25 * up + 0.75 * fine, truth, truth > 1)
    assert parts["scales"].item() == pytest.approx((own[0] + own[1]).item() / 2, rel=1e-6)
    assert parts["loss"].item() == pytest.approx(
        final.item() + 0.25 * (own[0] + own[1]).item(), rel=1e-5
    )
    plain = objective(maps, batch, LossSection(), minimum_depth=1.0)
    assert set(plain) == {"loss", "silog"}
    printed = objective(maps, batch, LossSection(form="eq6"), minimum_depth=1.0)
    assert printed["loss"].item() == pytest.approx((plain["loss"].item() / 10) ** 2, rel=1e-5)


def test_ground_truth_nearer_than_the_minimum_does_not_count():
    depth = torch.full((1, 1, 1, 4), 5.0)
    truth = torch.tensor([[[[0.5, 1.0, 4.0, 0.0]]]])
    found = objective(_maps(depth), {"depth": truth}, LossSection(), minimum_depth=1.0)
    only = 10 * math.sqrt((1 - 0.85) * math.log(5 / 4) ** 2)
    assert found["loss"].item() == pytest.approx(only, rel=1e-5)


def test_a_frame_of_few_labels_can_count_as_much_as_one_of_many():
    target = torch.zeros(2, 1, 4, 5)
    target[0] = 5.0
    target[1, 0, 0, :2] = 5.0
    valid, given = target > 0, torch.full_like(target, 0.5)
    sums = {}
    for balance in (0.0, 0.5, 1.0):
        found = pixel_weights(target, valid, given, frame_balance=balance, distance_power=0)
        assert found is not None
        sums[balance] = (found * valid).sum(dim=(1, 2, 3))
        # A frame's weights are of itself alone, or parts of a batch would be weighed otherwise.
        alone = pixel_weights(
            target[1:], valid[1:], given[1:], frame_balance=balance, distance_power=0
        )
        assert alone is not None
        assert torch.equal(found[1:], alone)
    assert sums[0.0].tolist() == [10.0, 1.0]
    assert (sums[0.5][0] / sums[0.5][1]).item() == pytest.approx(math.sqrt(10))
    assert sums[1.0][0].item() == pytest.approx(sums[1.0][1].item())
    empty = pixel_weights(0 * target, valid & False, None, frame_balance=1, distance_power=1)
    assert empty is not None
    assert not empty.any()


def test_far_pixels_weigh_by_a_power_of_their_distance():
    target = torch.tensor([2.0, 10.0, 40.0, 60.0, 75.0, 0.0]).view(1, 1, 1, 6)
    found = pixel_weights(target, target > 0, None, frame_balance=0, distance_power=0.5)
    assert found is not None
    expected = [1, 1, 2, math.sqrt(6), math.sqrt(6), 0]
    assert found.flatten().tolist() == pytest.approx(expected)
    assert pixel_weights(target, target > 0, None, frame_balance=0, distance_power=0) is None


def test_gradients_are_matched_by_the_samples_own_weights():
    """Few labels make no boundary: a frame of them must not count more where gradients are."""
    torch.manual_seed(0)
    depth, target = torch.rand(2, 1, 8, 8) * 20 + 2, torch.rand(2, 1, 8, 8) * 20 + 2
    target[1, :, 2:] = 0
    maps = ScaleMaps(depths=[depth], attentions=[], padded_size=(8, 8), size=(8, 8))
    plain, balanced = (
        objective(
            maps,
            {"depth": target},
            LossSection(gradient_weight=1.0, frame_balance=balance, distance_power=balance),
            minimum_depth=1.0,
        )
        for balance in (0.0, 1.0)
    )
    assert torch.equal(plain["gradient"], balanced["gradient"])
    assert not torch.isclose(plain["silog"], balanced["silog"])


def test_gradient_error_sees_steps_and_not_scale():
    torch.manual_seed(0)
    truth = torch.rand(1, 1, 6, 7) * 20 + 2
    valid = torch.ones_like(truth, dtype=torch.bool)
    assert gradient_error(3 * truth, truth, valid).item() < 1e-6
    # One pixel of a row of five is wrong by e: it has 2, 2 and 1 neighbours at 1, 2 and 4 pixels.
    row = torch.full((1, 1, 1, 5), 4.0)
    wrong = row.clone()
    wrong[..., 2] *= math.e
    some = torch.ones_like(row, dtype=torch.bool)
    assert gradient_error(wrong, row, some).item() == pytest.approx(4 / (4 + 3 + 1))
    # An unknown pixel has no pairs.
    some[..., 2] = False
    wrong[..., 2], row[..., 2] = torch.nan, 0
    assert gradient_error(wrong, row, some).item() == 0
    assert gradient_error(wrong, row, torch.zeros_like(some)).item() == 0
    some[..., 1] = False
    scaled = wrong * torch.tensor([1.0, 1, 1, 2, 2])
    # Pairs left: (3, 4) at 1 and (0, 4) at 4.
    assert gradient_error(scaled, row, some).item() == pytest.approx(math.log(2) / 2)


def test_gradient_error_is_differentiable_and_weighted():
    torch.manual_seed(0)
    depth = (torch.rand(1, 1, 4, 4, dtype=torch.float64) + 2).requires_grad_()
    maps, truth = _maps(depth.float()), torch.rand(1, 1, 4, 4) + 3
    plain = objective(maps, {"depth": truth}, LossSection(), minimum_depth=1.0)
    settings = LossSection(gradient_weight=0.5)
    found = objective(maps, {"depth": truth}, settings, minimum_depth=1.0)
    expected = plain["loss"].item() + 0.5 * found["gradient"].item()
    assert found["loss"].item() == pytest.approx(expected, rel=1e-6)
    found["gradient"].backward()
    assert depth.grad is not None
    assert float(depth.grad.abs().sum()) > 0
    assert abs(float((depth.grad * depth.detach()).sum())) < 1e-5, "scale has no slope"


def test_smoothness_spares_planes_and_borders_and_punishes_bends():
    v, u = torch.meshgrid(torch.arange(8.0), torch.arange(10.0), indexing="ij")
    plane = (1 / (0.02 + 0.003 * v + 0.001 * u))[None, None]
    one = torch.zeros(1, 1, 8, 10, dtype=torch.uint8)
    assert semantic_smoothness(plane, one).item() < 1e-4
    step = plane.clone()
    step[..., 5:] *= 2
    halves = one.clone()
    halves[..., 5:] = 1
    assert semantic_smoothness(step, halves).item() < 1e-4
    assert semantic_smoothness(step, one).item() > 0.05
    unknown = torch.full_like(one, NO_LABEL)
    assert semantic_smoothness(step, unknown).item() == 0
    # Rows bend by |1/2 - 2/1 + 1/2| / (1/1) = 1, three of them; three columns do not bend.
    fold = torch.tensor([[2.0, 1.0, 2.0]]).expand(3, 3)[None, None]
    assert semantic_smoothness(fold, one[..., :3, :3]).item() == pytest.approx(0.5)
    assert semantic_smoothness(7 * fold, one[..., :3, :3]).item() == pytest.approx(0.5)


def test_the_drives_own_labels_separate_its_surfaces():
    """True depth is smoother inside the labels than across them, and noise is worse than both."""
    frame = SyntheticDrive(
        seed=3, frames=1, camera=PinholeCamera(180.0, 180.0, 155.0, 45.0, 310, 94), sampling=1
    ).frame(0)
    depth = torch.from_numpy(frame.depth).clamp(max=80.0)[None, None]
    labels = torch.from_numpy(frame.labels.copy())[None, None]
    own = semantic_smoothness(depth, labels).item()
    blind = semantic_smoothness(depth, torch.zeros_like(labels)).item()
    torch.manual_seed(0)
    noisy = semantic_smoothness(depth * (1 + 0.1 * torch.randn_like(depth)), labels).item()
    assert own < 0.7 * blind
    assert own < 0.3 * noisy
