"""Frames of a split as training crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hma_depth_ros.data.augmentation import Augmentation, fit_to_width, random_crop
from hma_depth_ros.data.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.split import SplitEntry
from hma_depth_ros.errors import HmaDepthError


@dataclass(frozen=True)
class CropSettings:
    """Geometry of training crops."""

    input_width: int  #: width that whole frames are resized to, as at inference
    focal_length: float  #: at that width, of the camera that the network's depth is metric for
    size: tuple[int, int]  #: height and width of the crop


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """(image uint8 (3, h, w), depth float32 (1, h, w)) with depth as the network should say it.

    The network answers for one focal length; ground truth is scaled by focal_length / fx of the
    crop, the inverse of what inference does. 0 means no ground truth.
    """

    def __init__(
        self, entries: Sequence[SplitEntry], settings: CropSettings, augmentation: Augmentation
    ) -> None:
        self.entries = [entry for entry in entries if entry.depth is not None]
        self.settings = settings
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        entry = self.entries[index]
        assert entry.depth is not None
        image, depth = read_rgb(entry.image), read_ground_truth(entry.depth)
        if image.shape[:2] != depth.shape:
            raise HmaDepthError(
                f"{entry.depth} is {depth.shape[1]}x{depth.shape[0]}, "
                f"its image {image.shape[1]}x{image.shape[0]}"
            )
        image, depth, focal = fit_to_width(
            image, depth, entry.focal_length, self.settings.input_width
        )
        image, depth, focal = random_crop(
            image,
            depth,
            focal,
            size=self.settings.size,
            augmentation=self.augmentation,
            # Workers seed torch per worker and epoch, and NumPy's generator from it.
            random=np.random.default_rng(int(torch.randint(2**62, ()))),
        )
        target = np.nan_to_num(depth, nan=0.0, posinf=0.0) * (self.settings.focal_length / focal)
        return (
            torch.from_numpy(image).permute(2, 0, 1).contiguous(),
            torch.from_numpy(target.astype(np.float32))[None],
        )
