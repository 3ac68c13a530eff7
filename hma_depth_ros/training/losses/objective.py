"""What a training step minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.training.losses.gradient import gradient_error
from hma_depth_ros.training.losses.pixel_weights import pixel_weights
from hma_depth_ros.training.losses.pooled_truth import pooled_pairs
from hma_depth_ros.training.losses.scale_invariant import (
    one_process,
    scale_invariant_error,
    silog_loss,
)
from hma_depth_ros.training.losses.smoothness import semantic_smoothness
from hma_depth_ros.training.losses.uncertainty import uncertainty_loss
from hma_depth_ros.training.run_config import LossSection


def objective(
    maps: ScaleMaps,
    batch: Mapping[str, Tensor],
    settings: LossSection,
    *,
    minimum_depth: float,
    all_reduce: Callable[[Tensor], Tensor] = one_process,
) -> dict[str, Tensor]:
    """The parts of the loss by name and, as `loss`, their weighted sum.

    Args:
        maps: of the network.
        batch: `depth` (B, 1, H, W) in metres; perhaps `weight` of it; for the smoothness, `labels`.
        settings: form and weights.
        minimum_depth: metres; nearer ground truth does not count, as in BTS.
        all_reduce: see `scale_invariant_error`.

    """
    target = batch["depth"]
    valid = target > minimum_depth
    weight = pixel_weights(
        target,
        valid,
        batch.get("weight"),
        frame_balance=settings.frame_balance,
        distance_power=settings.distance_power,
    )
    form = silog_loss if settings.form == "silog" else scale_invariant_error
    error = partial(form, lam=settings.lam, all_reduce=all_reduce)
    depth = maps.depth()
    parts: dict[str, Tensor] = {settings.form: error(depth, target, valid, weight=weight)}
    loss = parts[settings.form]
    if settings.scale_weight:
        if settings.scale_resolution == "own":
            scales = pooled_pairs(maps, target, valid, weight)
        else:
            scales = [(one, target, valid, weight) for one in maps.scale_depths().split(1, dim=1)]
        errors = [error(one, *truth, weight=w) for one, *truth, w in scales]
        parts["scales"] = sum(errors[1:], start=errors[0]) / len(errors)
        loss = loss + settings.scale_weight * parts["scales"]
    if settings.uncertainty_weight:
        sigma = maps.full_uncertainty()
        parts["uncertainty"] = uncertainty_loss(
            sigma, depth, target, valid, weight, all_reduce=all_reduce
        )
        loss = loss + settings.uncertainty_weight * parts["uncertainty"]
    if settings.gradient_weight:
        # By the samples' own weights: what tells boundaries are the frames with dense labels.
        parts["gradient"] = gradient_error(
            depth, target, valid, weight=batch.get("weight"), all_reduce=all_reduce
        )
        loss = loss + settings.gradient_weight * parts["gradient"]
    if settings.smoothness_weight:
        parts["smoothness"] = semantic_smoothness(depth, batch["labels"], all_reduce=all_reduce)
        loss = loss + settings.smoothness_weight * parts["smoothness"]
    return {"loss": loss, **parts}
