"""What surrounds a graph that takes multiples of 32 only: padding in, and maps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.exported_graph import (
    ATTENTION,
    DEPTH,
    UNCERTAINTY,
    scale_names,
)
from hma_depth_ros.network.model import ScaleMaps
from hma_depth_ros.network.model_config import SIZE_MULTIPLE, ModelConfig


def to_rows(image: Tensor) -> npt.NDArray[np.uint8]:
    """uint8 (B, h, w, 3), without a copy where the memory is that already, of (B, 3, h, w)."""
    if image.dtype != torch.uint8:
        image = image.round().clamp(0, 255).to(torch.uint8)
    return image.permute(0, 2, 3, 1).contiguous().numpy()


def padded_size(height: int, width: int) -> tuple[int, int]:
    """The multiples of 32 that a size is padded to."""
    return height + -height % SIZE_MULTIPLE, width + -width % SIZE_MULTIPLE


def check_size(size: tuple[int, int], fixed: tuple[int, int] | None) -> None:
    """Check (h, w) against the one size of a model, if there is one.

    Raises:
        HmaDepthError: it is another.

    """
    if fixed is not None and size != fixed:
        raise HmaDepthError(
            f"this exported model takes {fixed[1]}x{fixed[0]} pixels, and the network's input is "
            f"{size[1]}x{size[0]}; export with --dynamic or --size {size[0]}x{size[1]}, or choose "
            "region and input_width to match"
        )


def pad(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Replicate the right and the bottom border of (B, h, w, 3), as the network itself does."""
    height, width = images.shape[1:3]
    rows, columns = padded_size(height, width)
    if (rows, columns) == (height, width):
        return images
    return np.stack(
        [
            cv2.copyMakeBorder(image, 0, rows - height, 0, columns - width, cv2.BORDER_REPLICATE)
            for image in images
        ]
    )


def plane_rows(planes: Tensor, rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The camera's maps (B, C, h, w), padded like the images (B, h', w', 3) that they go with."""
    height, width = planes.shape[2:]
    bottom, right = rows.shape[1] - height, rows.shape[2] - width
    if bottom or right:
        planes = F.pad(planes, (0, right, 0, bottom), mode="replicate")
    return planes.contiguous().numpy()


def padded(maps: Tensor) -> Tensor:
    """(B, C, h, w) of any type with its right and bottom borders replicated, where it lies."""
    rows, columns = padded_size(maps.shape[2], maps.shape[3])
    bottom, right = rows - maps.shape[2], columns - maps.shape[3]
    # Joined and not `F.pad`, which does not know uint8.
    if bottom:
        maps = torch.cat([maps, maps[:, :, -1:].expand(-1, -1, bottom, -1)], dim=2)
    if right:
        maps = torch.cat([maps, maps[..., -1:].expand(-1, -1, -1, right)], dim=3)
    return maps


def scale_maps(outputs: Sequence[Tensor], config: ModelConfig, size: tuple[int, int]) -> ScaleMaps:
    """Maps of an image of (h, w), of a graph's outputs in the order of `scale_names`."""
    named: Mapping[str, Tensor] = dict(zip(scale_names(config), outputs, strict=True))
    return ScaleMaps(
        depths=[m for name, m in named.items() if name.startswith(DEPTH)],
        attentions=[m for name, m in named.items() if name.startswith(ATTENTION)],
        uncertainty=next((m for name, m in named.items() if name.startswith(UNCERTAINTY)), None),
        padded_size=padded_size(*size),
        size=size,
    )
