"""The maps of the camera, from the coefficients that `geometry/camera_planes.py` gives."""

from __future__ import annotations

import torch
from torch import Tensor


def affine_planes(coefficients: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, H, W) of coefficients (B, C, 3), float32."""
    rows, columns = size
    u = torch.arange(columns, device=coefficients.device, dtype=torch.float32)
    v = torch.arange(rows, device=coefficients.device, dtype=torch.float32)
    a, b, c = coefficients.float()[..., None].unbind(-2)  # each (B, C, 1)
    return (a * u)[..., None, :] + (b * v + c)[..., None]
