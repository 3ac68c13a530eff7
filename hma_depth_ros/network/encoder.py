"""Dense features of an image classifier, through timm."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from hma_depth_ros.errors import HmaDepthError, errors_as, one_line

#: Reduction factors of the features that the decoder takes, fine to coarse.
ENCODER_REDUCTIONS = (2, 4, 8, 16, 32)

#: Heights and widths that tell an encoder for any size from others: 2, 3 and 5 times 32.
_SIZES = (64, 96), (96, 160)


class Encoder(nn.Module):
    """Any timm model with features at reductions 2, 4, 8, 16 and 32, of images of any size.

    `channels[reduction]` gives the width at each; timm's FeatureInfo knows it, so no list of
    channels is kept here.
    """

    def __init__(self, name: str, *, pretrained: bool = False) -> None:
        super().__init__()
        self.name = name
        try:
            # torchvision's ImageNet weights, as BTS and the paper took them (timm tag tv_in1k).
            tag = f"{name}.tv_in1k" if pretrained and f"{name}.tv_in1k" in _pretrained() else name
            self.backbone: nn.Module = timm.create_model(
                tag, pretrained=pretrained, features_only=True
            )
        except RuntimeError as error:
            raise HmaDepthError(f"timm cannot build the encoder '{name}': {error}") from error
        except OSError as error:  # what all failed downloads are, and a full disk
            reason = one_line(error)
            raise HmaDepthError(
                f"the ImageNet weights of '{name}' cannot be downloaded: {reason} Once "
                "downloaded they are kept; without a network take them from a file by "
                "model.weights=encoder:FILE, or start from random weights or a checkpoint"
            ) from error
        info = self.backbone.feature_info
        available = dict(zip(info.reduction(), info.channels(), strict=True))  # type: ignore[operator,union-attr]
        missing = set(ENCODER_REDUCTIONS) - set(available)
        if missing:
            raise HmaDepthError(
                f"encoder '{name}' has no features at reduction {sorted(missing)}; "
                f"it offers {sorted(available)}"
            )
        self.channels = {reduction: available[reduction] for reduction in ENCODER_REDUCTIONS}
        self._indices = [info.reduction().index(r) for r in ENCODER_REDUCTIONS]  # type: ignore[operator,union-attr]

    @torch.no_grad()
    def check_sizes(self) -> None:
        """See that features have the channels and sizes that timm tells, whatever the image's.

        Convolutions without padding give others, and some attention takes images of one size only.
        Costs two small passes: for where an encoder is chosen, not where a checkpoint names it.

        Raises:
            HmaDepthError: they have not.

        """
        training = self.training
        self.eval()  # leaves statistics and random numbers alone
        for height, width in _SIZES:
            what = f"the encoder '{self.name}' is not for images of any size; of {width}x{height}"
            with errors_as(f"{what} it makes nothing"):
                features = self(torch.zeros(1, 3, height, width))
            for reduction, channels in self.channels.items():
                found = tuple(features[reduction].shape[1:])
                expected = (channels, height // reduction, width // reduction)
                if found != expected:
                    raise HmaDepthError(
                        f"{what} its features at reduction {reduction} are {found}, not {expected}"
                    )
        self.train(training)

    def forward(self, image: Tensor) -> dict[int, Tensor]:
        """Features by reduction factor, of an image (B, 3, H, W) with H and W multiples of 32."""
        features: list[Tensor] = self.backbone(image)
        return {
            reduction: features[index]
            for reduction, index in zip(ENCODER_REDUCTIONS, self._indices, strict=True)
        }


def _pretrained() -> set[str]:
    return set(timm.list_pretrained())
