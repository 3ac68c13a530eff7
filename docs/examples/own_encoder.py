"""An encoder of one's own: a name that timm knows, and features at five reductions.

    python3 docs/examples/own_encoder.py [COMMAND ARGUMENT ...]

Any model of timm's with features at reductions 2 to 32, of images of any size, needs no code:
`model.encoder=NAME`. One of your own is registered with timm, as here; with arguments the package's
commands run with it:

    python3 docs/examples/own_encoder.py train --preset mobile model.encoder=staircase \
        model.weights=random --split LIST --output RUN
    python3 docs/examples/own_encoder.py export RUN/last.safetensors --format onnx \
        --output depth.onnx

A checkpoint names its encoder, so whatever loads one needs this file; an exported file does not.
Without arguments it prints:

    staircase: features of 16, 24, 32, 48, 64 channels at H/2, H/4, H/8, H/16, H/32
    52,640 parameters in the encoder, 568,831 with the decoder
    depth at four scales, 8x12, 16x24, 32x48, 64x96; blended (1, 1, 64, 96)
"""

from __future__ import annotations

import sys

import torch
from timm.models import FeatureInfo, register_model
from torch import Tensor, nn

from hma_depth_ros.cli import run
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import preset


class Staircase(nn.Module):
    """Five convolutions, each of which halves the image."""

    CHANNELS = (16, 24, 32, 48, 64)

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        features = []
        before = 3
        for index, channels in enumerate(self.CHANNELS):
            convolution = nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False)
            self.steps.append(nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU()))
            features.append(
                {"num_chs": channels, "reduction": 2 ** (index + 1), "module": f"steps.{index}"}
            )
            before = channels
        #: What the decoder asks: channels and reduction of each feature map.
        self.feature_info = FeatureInfo(features, out_indices=range(len(features)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps, fine to coarse, of an image (B, 3, H, W)."""
        maps = []
        for step in self.steps:
            image = step(image)
            maps.append(image)
        return maps


def staircase(pretrained: bool = False, **_: object) -> Staircase:
    """What timm calls for `staircase`; it has no ImageNet weights."""
    if pretrained:
        raise RuntimeError("no weights; set model.weights=random")
    return Staircase()


register_model(staircase)


def main() -> int:
    """Run a command that knows the encoder, or show what the decoder makes of it."""
    if sys.argv[1:]:
        return run(sys.argv[1:])
    model = HmaDepth(preset("mobile", encoder="staircase")).eval()
    channels = ", ".join(str(count) for count in model.encoder.channels.values())
    reductions = ", ".join(f"H/{reduction}" for reduction in model.encoder.channels)
    print(f"staircase: features of {channels} channels at {reductions}")
    encoder, whole = (sum(p.numel() for p in part.parameters()) for part in (model.encoder, model))
    print(f"{encoder:,} parameters in the encoder, {whole:,} with the decoder")
    with torch.inference_mode():
        maps = model(torch.zeros(1, 3, 64, 96))  # a normalised image (B, 3, H, W): 0 is grey
    sizes = ", ".join(f"{d.shape[2]}x{d.shape[3]}" for d in maps.depths)
    print(f"depth at four scales, {sizes}; blended {tuple(maps.depth().shape)}")
    return 0


if __name__ == "__main__":  # the data loader's processes import this file
    sys.exit(main())
