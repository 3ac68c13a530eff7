"""What defines a model, and the named models."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, get_args

from hma_depth_ros.errors import HmaDepthError

#: Reduction factors at which the decoder has features, coarse to fine.
DECODER_REDUCTIONS = (16, 8, 4, 2, 1)

#: Inputs are padded to a multiple of the encoder's coarsest reduction.
SIZE_MULTIPLE = 32

#: Pixels of the width that images are resized to for the network.
LARGEST_INPUT = 8192

#: The paper's dilation rates (section 2).
ASPP_DILATIONS = (3, 6, 12, 18, 24)

#: How a depth module's sigmoid becomes metres, see `depth_mapping.py`.
DepthMapping = Literal["linear", "logarithmic", "inverse"]

#: What the decoder is told of the camera, see `geometry/camera_planes.py`.
Geometry = Literal["none", "rays", "ground"]

#: Reduction of the features that the error of the depth is estimated from.
UNCERTAINTY_REDUCTION = 4


#: Channels of any layer of the decoder.
_LARGEST_WIDTH = 65536


def is_finite(value: object) -> bool:
    """Whether a value of a file is a number that can be computed with."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and -sys.float_info.max <= value <= sys.float_info.max  # type: ignore[operator]


def is_count(value: object, largest: int) -> bool:
    """Whether a value of a file is a whole number from 1 to `largest`."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest


@dataclass(frozen=True)
class ModelConfig:
    """Everything that a model's shape and output depend on."""

    #: Name of a timm model that offers features at reductions 2, 4, 8, 16 and 32, of images of
    #: any size that is a multiple of 32; `train` tries that.
    encoder: str
    #: Width of the decoder's features at H/16, H/8, H/4, H/2 and H. The paper leaves it open;
    #: the big presets take BTS's widths but for H, where 16 channels do the work of 32.
    decoder_channels: tuple[int, int, int, int, int] = (512, 256, 128, 64, 16)
    #: Width of each branch of the atrous spatial pyramid.
    aspp_channels: int = 128
    #: How many scales give a depth map, the finest always being H: 4 in the paper
    #: (H/8, H/4, H/2, H); 3 and 5 are its proposed ablations (H/4 to H, and H/16 to H).
    scales: int = 4
    #: Blend the scales by attention masks (eq. 1-5); without, a convolution fuses them as in BTS.
    attention: bool = True
    #: Metres at which the sigmoid of the depth modules saturates.
    max_depth: float = 80.0
    #: Metres at its other end, of the mappings that have one.
    min_depth: float = 1.5
    #: `linear` in shares of max_depth, as BTS; the paper leaves it open.
    depth_mapping: DepthMapping = "linear"
    #: Beyond the paper: maps of the camera beside every skip.
    geometry: Geometry = "none"
    #: Beyond the paper: a module that estimates the error of the depth's logarithm.
    uncertainty: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.encoder, str) and re.fullmatch(r"[A-Za-z0-9_.]+", self.encoder)):
            # timm takes `hf-hub:...` for a network to download, and `local-dir:...` for a folder.
            raise ValueError(f"encoder must be the name of a timm model, not {self.encoder!r}")
        widths = (*self.decoder_channels, self.aspp_channels)
        if not all(is_count(width, _LARGEST_WIDTH) for width in widths):
            raise ValueError(f"widths must be numbers of channels up to {_LARGEST_WIDTH}")
        for flag in ("attention", "uncertainty"):
            if not isinstance(getattr(self, flag), bool):
                raise ValueError(f"{flag} must be true or false, not {getattr(self, flag)!r}")
        if self.scales not in (3, 4, 5):
            raise ValueError(f"scales must be 3, 4 or 5, not {self.scales}")
        if len(self.decoder_channels) != len(DECODER_REDUCTIONS):
            raise ValueError(
                f"decoder_channels needs {len(DECODER_REDUCTIONS)} widths, "
                f"not {len(self.decoder_channels)}"
            )
        for depth in ("max_depth", "min_depth"):
            if not (is_finite(metres := getattr(self, depth)) and metres > 0):
                raise ValueError(f"{depth} must be a positive number, not {metres!r}")
        if self.depth_mapping != "linear" and self.min_depth >= self.max_depth:
            raise ValueError(
                f"min_depth must be below max_depth ({self.max_depth}), not {self.min_depth}"
            )
        for name, known in (("depth_mapping", DepthMapping), ("geometry", Geometry)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(f"{name} must be one of {', '.join(get_args(known))}")

    @property
    def reductions(self) -> tuple[int, ...]:
        """Reduction factor of each scale that gives a depth map, coarse to fine: (8, 4, 2, 1)."""
        return DECODER_REDUCTIONS[-self.scales :]

    @property
    def camera_planes(self) -> int:
        """Maps of the camera that the network takes beside the image."""
        return 0 if self.geometry == "none" else 2


#: The rows of the paper's Tab. I, and `mobile`, small enough for two CPU cores.
PRESETS: dict[str, ModelConfig] = {
    "resnet50": ModelConfig(encoder="resnet50"),
    "resnext50": ModelConfig(encoder="resnext50_32x4d"),
    "densenet121": ModelConfig(encoder="densenet121", decoder_channels=(384, 256, 128, 64, 16)),
    "densenet161": ModelConfig(encoder="densenet161", decoder_channels=(384, 256, 128, 64, 16)),
    "mobile": ModelConfig(
        encoder="efficientnet_lite0", decoder_channels=(96, 64, 48, 24, 8), aspp_channels=24
    ),
}


def preset(name: str, **changes: object) -> ModelConfig:
    """Return the preset `name` with fields replaced.

    Raises:
        HmaDepthError: no preset of this name.

    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise HmaDepthError(f"no model '{name}'{hint} There are: {', '.join(PRESETS)}")
    return replace(PRESETS[name], **changes)  # type: ignore[arg-type]
