"""The three building blocks of the decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, ReLU; (B, inputs, h, w) -> (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                inputs,
                outputs,
                kernel,
                padding=dilation * (kernel // 2),
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class AtrousSpatialPyramid(nn.Module):
    """ASPP (paper, section 2; Chen et al. 2017): context at several dilations, side by side.

    (B, channels, h, w) -> (B, channels, h, w); one 1x1 branch keeps the plain features.
    """

    def __init__(self, channels: int, branch_channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [ConvNorm(channels, branch_channels, kernel=1)]
            + [ConvNorm(channels, branch_channels, dilation=d) for d in dilations]
        )
        self.merge = ConvNorm(branch_channels * (len(dilations) + 1), channels, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        merged: Tensor = self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))
        return merged


class UpBlock(nn.Module):
    """One step of the decoder: twice the resolution, joined with the encoder's skip.

    (B, inputs, h, w) and (B, skip, 2h, 2w) -> (B, outputs, 2h, 2w). The first convolution comes
    *before* the bilinear upsampling: a quarter of the multiplications of BTS's order.
    """

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(inputs, outputs)
        self.fuse = ConvNorm(outputs + skip, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.reduce(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        fused: Tensor = self.fuse(torch.cat([x, skip.to(x.dtype)], dim=1))
        return fused
