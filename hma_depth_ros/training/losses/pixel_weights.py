"""How much each pixel's ground truth counts."""

from __future__ import annotations

import torch
from torch import Tensor

#: Metres between which weight grows with depth. Beyond the second labels are few and less right.
_NEAR, _FAR = 10.0, 60.0


def pixel_weights(
    target: Tensor,
    valid: Tensor,
    weight: Tensor | None,
    *,
    frame_balance: float,
    distance_power: float,
) -> Tensor | None:
    """Weights (B, 1, H, W) of ground truth; None: all alike.

    Eq. 6 takes its means over the pixels of the whole batch. A frame of stereo matching or of a
    rendered street has four to six times the labels of one of LiDAR, and most labels of all are
    near. Both can be evened out: each stays a function of the frame alone, so that a batch in parts
    or shared by processes is weighed as it is in one.

    Args:
        target: ground truth (B, 1, H, W) in metres.
        valid: where it counts.
        weight: of its pixels as the samples have it, or None.
        frame_balance: of n labels (weighed) in a frame each weighs n^-frame_balance.
        distance_power: beyond 10 m a pixel weighs (depth / 10 m)^distance_power, up to 60 m.

    """
    if not frame_balance and not distance_power:
        return weight
    counted = valid.float() if weight is None else torch.where(valid, weight.float(), 0)
    if distance_power:
        farther = (target.float() / _NEAR).clamp(1, _FAR / _NEAR)
        counted = counted * farther**distance_power
    if frame_balance:
        share = counted.mean(dim=(1, 2, 3), keepdim=True)
        # A frame without labels weighs nothing, whatever this is.
        counted = counted * share.clamp(min=1e-4) ** -frame_balance
    return counted
