"""What of a prediction is written into a bag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

OutputKind = Literal["depth", "camera_info", "masks", "cloud", "confidence", "color"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)


@dataclass(frozen=True)
class OutputSettings:
    """What is written of a prediction."""

    kinds: tuple[OutputKind, ...] = ("depth", "camera_info", "masks", "cloud")
    depth_encoding: str = "32FC1"
    compress_depth: bool = False  #: depth as image_transport's compressedDepth, a tenth the size
    color_range: float = 80.0  #: metres at the far end of the colours
