"""The training loop: learning rate, step, average, validate, log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.loss import silog_loss


@dataclass(frozen=True)
class TrainingSettings:
    """Optimisation, after BTS's recipe."""

    epochs: int
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-5
    polynomial: float = 0.9
    weight_decay: float = 1e-2  #: on the encoder only
    adam_epsilon: float = 1e-3
    gradient_norm: float = 10.0
    minimum_depth: float = 1.0  #: metres; nearer ground truth is not trained on (KITTI: 1 m)
    average_decay: float = 0.998  #: of the moving average of the weights, which is what is kept


def normalise(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 (B, 3, H, W) RGB -> float32, by the mean and deviation of the preprocessing."""
    mean, std = preprocessing.mean_and_std(image.device)
    return (image.float() - mean) / std


def train(
    model: HmaDepth,
    loader: DataLoader[tuple[Tensor, Tensor]],
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    *,
    device: torch.device,
    after_epoch: Callable[[int, float, nn.Module], None],
) -> HmaDepth:
    """Train in place; returns the averaged model.

    `after_epoch(epoch, mean loss, averaged model)` validates and saves.
    """
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "weight_decay": settings.weight_decay},
            {"params": model.decoder.parameters(), "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        eps=settings.adam_epsilon,
    )
    averaged = AveragedModel(
        model, multi_avg_fn=_moving_average(settings.average_decay), use_buffers=True
    )
    rates = _learning_rates(settings, settings.epochs * len(loader))
    for epoch in range(settings.epochs):
        model.train()
        losses = []
        for pixels, depth in loader:
            rate = next(rates)
            for group in optimizer.param_groups:
                group["lr"] = rate
            target = depth.to(device)
            image = normalise(pixels.to(device), preprocessing)
            image = image.contiguous(memory_format=torch.channels_last)
            valid = target > settings.minimum_depth
            if not valid.any():
                continue
            loss = silog_loss(model(image).depth(), target, valid)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
            optimizer.step()
            averaged.update_parameters(model)
            losses.append(loss.item())
        averaged.eval()
        after_epoch(epoch, sum(losses) / max(len(losses), 1), averaged.module)
    return averaged.module  # type: ignore[return-value]


def _learning_rates(settings: TrainingSettings, steps: int) -> Iterator[float]:
    span = settings.learning_rate - settings.final_learning_rate
    for step in range(steps):
        yield settings.final_learning_rate + span * (1 - step / steps) ** settings.polynomial


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average that starts short, or the first random weights would linger."""

    @torch.no_grad()
    def update(averages: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        n = int(count)
        step = 1 - min(decay, (1 + n) / (10 + n))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, step)
            else:
                average.copy_(value)

    return update
