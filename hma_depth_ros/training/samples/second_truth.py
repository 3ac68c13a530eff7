"""A second, less certain ground truth of a frame, where the first has none.

LiDAR is right and sparse and sees nothing above its beams; stereo matching, or a larger network's
depth, is dense and less right. Such labels lie in folders beside the images' own, under the same
names: `image/NAME.jpg` goes with `FOLDER/NAME.png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.ground_truth import read_ground_truth
from hma_depth_ros.data.splits.listed_path import first_file, spellings
from hma_depth_ros.errors import HmaDepthError

Depth = npt.NDArray[np.float32]


def label_path(image: Path, folder: str) -> Path:
    """Where the label of an image in `folder` lies."""
    return image.parent.parent / folder / f"{image.stem}.png"


def second_truths(image: Path, folders: Sequence[str]) -> list[Path]:
    """Those that an image has, in the order of `folders`."""
    listed = (label_path(image, folder) for folder in folders)
    found = (first_file(path.parent, ("",), spellings(Path(path.name))) for path in listed)
    return [path for path in found if path is not None]


def completed(
    first: Depth, paths: Sequence[Path], *, weight: float, units_per_metre: float
) -> tuple[Depth, Depth]:
    """Depth (H, W) in metres with its gaps filled from `paths`, in their order, and its weights.

    Weights (H, W) are 1 where `first` says the depth, `weight` where another does.

    Raises:
        HmaDepthError: a file cannot be read, or is of another size.

    """
    depth = first.copy()
    for path in paths:
        other = read_ground_truth(path, units_per_metre=units_per_metre)
        if other.shape != first.shape:
            raise HmaDepthError(
                f"{path} is {other.shape[1]}x{other.shape[0]}, the frame's ground truth "
                f"{first.shape[1]}x{first.shape[0]}"
            )
        np.copyto(depth, other, where=depth <= 0)
    return depth, np.where(first > 0, np.float32(1), np.float32(weight))
