"""Batch normalisation whose statistics are those of all processes' shares together."""

from __future__ import annotations

import torch
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn

from hma_depth_ros.training.processes import Processes


def synchronise_batch_norm(model: nn.Module, processes: Processes) -> nn.Module:
    """Give every batch normalisation of `model` the statistics of the whole batch.

    On GPUs it is PyTorch's SyncBatchNorm (or timm's), which does not exist for CPUs. Names and
    weights stay what they are.
    """
    if processes.world == 1:
        return model
    if processes.device.type == "cuda":
        return convert_sync_batchnorm(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Replacing the module instead would rename its weights or lose timm's activation.
            activated = isinstance(module, BatchNormAct2d)
            module.__class__ = _WholeBatchNormAct if activated else _WholeBatchNorm
            module.processes = processes  # type: ignore[assignment]
    return model


class _WholeBatchNorm(nn.BatchNorm2d):
    processes: Processes  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self, x, self.processes) if self.training else super().forward(x)


class _WholeBatchNormAct(BatchNormAct2d):
    processes: Processes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return self.act(self.drop(normalised(self, x, self.processes)))


def normalised(norm: nn.BatchNorm2d, x: Tensor, processes: Processes) -> Tensor:
    """Training's normalisation of this process' share (B, C, H, W), with the running statistics.

    Sums are float64, since variance is the small difference of two of them.
    """
    values = x.double()
    count = values.new_full((1,), x.numel() / x.shape[1])
    sums = torch.cat([count, values.sum((0, 2, 3)), (values * values).sum((0, 2, 3))])
    sums = processes.all_reduce(sums)
    n, (first, second) = sums[0], sums[1:].view(2, -1)
    mean = first / n
    variance = (second / n - mean * mean).clamp(min=0)
    if norm.running_mean is not None and norm.running_var is not None:
        assert norm.momentum is not None
        assert norm.num_batches_tracked is not None
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
            unbiased = variance * n / (n - 1)
            norm.running_var.lerp_(unbiased.to(norm.running_var), norm.momentum)
    scale = (variance + norm.eps).rsqrt()
    y = (x - mean.to(x)[:, None, None]) * scale.to(x)[:, None, None]
    if norm.affine:
        y = y * norm.weight[:, None, None] + norm.bias[:, None, None]
    return y
