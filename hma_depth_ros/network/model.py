"""HMA-Depth: encoder, decoder, and the blend of the scales."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hma_depth_ros.network.attention import blend, hierarchical_masks, upsample
from hma_depth_ros.network.config import ModelConfig
from hma_depth_ros.network.decoder import Decoder
from hma_depth_ros.network.encoder import Encoder

#: Inputs are padded to a multiple of the encoder's coarsest reduction.
SIZE_MULTIPLE = 32


@dataclass
class ScaleMaps:
    """What the network says at each scale, before anything of full size is computed.

    Depth in metres for the training focal length; coarse to fine; float32. Full-size maps are made
    only on demand, since most consumers want just one of them.
    """

    depths: list[Tensor]  #: n maps (B, 1, h_s, w_s), metres
    attentions: list[Tensor]  #: n - 1 maps (B, 1, h_s, w_s) in (0, 1); none without attention
    padded_size: tuple[int, int]  #: (H', W') that the finest map has
    size: tuple[int, int]  #: (H, W) of the image; the padding is right and below

    def depth(self) -> Tensor:
        """Final depth (B, 1, H, W) in metres, eq. 5."""
        if not self.attentions:
            return self._unpadded(self.depths[-1])
        return self._unpadded(blend(self._full(self.depths), self._full(self.attentions)))

    def masks(self) -> Tensor:
        """Attention masks (B, n, H, W), coarse to fine, that sum to 1 in every pixel; eq. 1-4.

        Raises:
            ValueError: the model has no attention.

        """
        if not self.attentions:
            raise ValueError("a model without attention has no masks")
        return self._unpadded(hierarchical_masks(self._full(self.attentions)))

    def scale_depths(self) -> Tensor:
        """Depth maps D_s of all scales (B, n, H, W) in metres, coarse to fine."""
        return self._unpadded(torch.cat(self._full(self.depths), dim=1))

    def of_image(self, index: int) -> ScaleMaps:
        """Return the maps of one image of the batch, B = 1; views."""
        return ScaleMaps(
            depths=[m[index : index + 1] for m in self.depths],
            attentions=[m[index : index + 1] for m in self.attentions],
            padded_size=self.padded_size,
            size=self.size,
        )

    def _full(self, maps: list[Tensor]) -> list[Tensor]:
        return [upsample(m, self.padded_size) for m in maps]

    def _unpadded(self, maps: Tensor) -> Tensor:
        return maps[..., : self.size[0], : self.size[1]]


class HmaDepth(nn.Module):
    """Hierarchical multi-scale attention for monocular depth (Niu et al., MVA 2021)."""

    def __init__(self, config: ModelConfig, *, pretrained_encoder: bool = False) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, pretrained=pretrained_encoder)
        self.decoder = Decoder(config, self.encoder.channels)

    def forward(self, image: Tensor) -> ScaleMaps:
        """Maps of all scales for a normalised image (B, 3, H, W) of any size."""
        height, width = image.shape[-2:]  # not int(): symbolic while exported
        bottom, right = -height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode="replicate")
        shares, attentions = self.decoder(image, self.encoder(image))
        return ScaleMaps(
            depths=[self.config.max_depth * share for share in shares],
            attentions=attentions,
            padded_size=(height + bottom, width + right),
            size=(height, width),
        )
