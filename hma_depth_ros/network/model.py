"""HMA-Depth: encoder, decoder, and the blend of the scales."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hma_depth_ros.network.attention import blend, hierarchical_masks, upsample
from hma_depth_ros.network.decoder import Decoder
from hma_depth_ros.network.depth_mapping import to_metres
from hma_depth_ros.network.encoder import Encoder
from hma_depth_ros.network.model_config import SIZE_MULTIPLE, ModelConfig


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
    #: (B, 1, h, w) error of the logarithm of depth, if the model estimates it
    uncertainty: Tensor | None = None

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

    def full_uncertainty(self) -> Tensor:
        """Error of the logarithm of depth (B, 1, H, W): about two thirds of them are smaller.

        Raises:
            ValueError: the model does not estimate it.

        """
        if self.uncertainty is None:
            raise ValueError("this model does not estimate its error")
        return self._unpadded(upsample(self.uncertainty, self.padded_size))

    def of_image(self, index: int) -> ScaleMaps:
        """Return the maps of one image of the batch, B = 1; views."""
        return ScaleMaps(
            depths=[m[index : index + 1] for m in self.depths],
            attentions=[m[index : index + 1] for m in self.attentions],
            padded_size=self.padded_size,
            size=self.size,
            uncertainty=None if self.uncertainty is None else self.uncertainty[index : index + 1],
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

    def forward(self, image: Tensor, planes: Tensor | None = None) -> ScaleMaps:
        """Maps of all scales for a normalised image (B, 3, H, W) of any size.

        `planes` (B, C, H, W) are the camera's maps (`camera_planes.py`), of a model with geometry.

        Raises:
            ValueError: there are none, or not as many as the model takes.

        """
        found = 0 if planes is None else planes.shape[1]
        if found != self.config.camera_planes:
            raise ValueError(
                f"a model with geometry '{self.config.geometry}' takes "
                f"{self.config.camera_planes} maps of the camera, not {found}"
            )
        height, width = image.shape[-2:]  # not int(): symbolic while exported
        bottom, right = -height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode="replicate")
            if planes is not None:
                planes = F.pad(planes, (0, right, 0, bottom), mode="replicate")
        shares, attentions, uncertainty = self.decoder(image, self.encoder(image), planes)
        return ScaleMaps(
            depths=[to_metres(share, self.config) for share in shares],
            attentions=attentions,
            padded_size=(height + bottom, width + right),
            size=(height, width),
            uncertainty=uncertainty,
        )
