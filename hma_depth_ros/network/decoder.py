"""From the encoder's features to a depth map and an attention map for each scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hma_depth_ros.network.attention import upsample
from hma_depth_ros.network.blocks import AtrousSpatialPyramid, UpBlock
from hma_depth_ros.network.heads import SigmoidHead, UncertaintyHead, attention_head, depth_head
from hma_depth_ros.network.model_config import (
    ASPP_DILATIONS,
    DECODER_REDUCTIONS,
    UNCERTAINTY_REDUCTION,
    ModelConfig,
)

IMAGE_CHANNELS = 3


class Decoder(nn.Module):
    """H/32 -> H/16 -> H/8, ASPP there, -> H/4 -> H/2 -> H, each step with the encoder's skip.

    No encoder has features at H: there the image itself is the skip, which gives the finest
    scale, the one that draws the boundaries, the pixels as they are. Maps of the camera, if the
    model has them, lie beside each skip.
    """

    def __init__(self, config: ModelConfig, encoder_channels: dict[int, int]) -> None:
        super().__init__()
        self.reductions = config.reductions
        width = dict(zip(DECODER_REDUCTIONS, config.decoder_channels, strict=True))
        skips = {**encoder_channels, 1: IMAGE_CHANNELS}
        inputs = {16: encoder_channels[32], **{r // 2: width[r] for r in DECODER_REDUCTIONS[:-1]}}

        self.steps = nn.ModuleDict(
            {
                str(r): UpBlock(inputs[r], skips[r] + config.camera_planes, width[r])
                for r in DECODER_REDUCTIONS
            }
        )
        self.aspp = AtrousSpatialPyramid(width[8], config.aspp_channels, ASPP_DILATIONS)

        coarse = self.reductions[:-1]
        # Without attention the finest module sees the coarser depth maps too and fuses them.
        fused = 0 if config.attention else len(coarse)
        self.depth_heads = nn.ModuleDict(
            {str(r): depth_head(width[r], hidden=width[r] // 2, config=config) for r in coarse}
            | {"1": depth_head(width[1] + fused, hidden=None, config=config)}
        )
        self.attention_heads = nn.ModuleDict(
            {
                str(r): attention_head(
                    width[r], hidden=width[r] // 2, remaining_scales=config.scales - i
                )
                for i, r in enumerate(coarse)
            }
            if config.attention
            else {}
        )
        self.uncertainty_head = (
            UncertaintyHead(width[UNCERTAINTY_REDUCTION], hidden=width[UNCERTAINTY_REDUCTION] // 2)
            if config.uncertainty
            else None
        )
        self._initialise()

    def _initialise(self) -> None:
        # Xavier, as BTS initialises its decoder.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
        for module in self.modules():
            if isinstance(module, SigmoidHead):
                module.reset_bias()

    def forward(
        self, image: Tensor, features: dict[int, Tensor], planes: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        """Depth shares and attention maps in (0, 1), coarse to fine, each at its own resolution.

        n depth maps (B, 1, H/s, W/s) and n - 1 attention maps; none without attention. Last the
        error of log depth (B, 1, H/4, W/4), if the model estimates it. `planes` (B, C, H, W) are
        the camera's maps.
        """
        depths: list[Tensor] = []
        attentions: list[Tensor] = []
        uncertainty: Tensor | None = None
        skips = {**features, 1: image}
        x = features[32]
        for reduction in DECODER_REDUCTIONS:
            skip = skips[reduction]
            if planes is not None:
                # They are affine: the mean of a block is the value at its centre.
                beside = planes if reduction == 1 else F.avg_pool2d(planes, reduction)
                # Under autocast the features are halves: joined with float32 they would become it.
                skip = torch.cat([skip, beside.to(skip.dtype)], dim=1)
            x = self.steps[str(reduction)](x, skip)
            if reduction == 8:
                x = self.aspp(x)
            if reduction == UNCERTAINTY_REDUCTION and self.uncertainty_head is not None:
                uncertainty = self.uncertainty_head(x)
            if reduction not in self.reductions:
                continue
            if reduction == 1 and not self.attention_heads:
                size = (x.shape[-2], x.shape[-1])
                x = torch.cat([x, *(upsample(d, size).to(x.dtype) for d in depths)], dim=1)
            depths.append(self.depth_heads[str(reduction)](x))
            if str(reduction) in self.attention_heads:
                attentions.append(self.attention_heads[str(reduction)](x))
        return depths, attentions, uncertainty
