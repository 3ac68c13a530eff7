"""What depth a network gives on the frames that it was trained on, for its checkpoint to keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_network import evaluated_network
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.plausibility import depth_traits, upright_trait, usual_ranges
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.upright import turned_traits
from hma_depth_ros.network.checkpoint import rewrite_info

#: Frames that are looked at, spread over all of them: percentiles need no more.
MOST_FRAMES = 300


def frame_traits(
    predictor: DepthPredictor,
    entry: SplitEntry,
    changed: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] | None = None,
) -> dict[str, float]:
    """Traits of a network's depth on one frame of a list, or on what `changed` makes of its image.

    Raises:
        HmaDepthError: image or camera cannot be used.

    """
    image = read_rgb(entry.image)
    camera = entry_camera(entry, image.shape).camera
    if changed is not None:
        image = changed(image)
    sample = predictor.predict(image, camera, outputs={"sample"}).sample
    assert sample is not None
    traits = depth_traits(sample)
    turned = turned_traits(predictor, image, camera, PixelFormat.RGB)
    return traits | upright_trait(traits, turned)


def record_depth_ranges(
    checkpoint: Path,
    entries: Sequence[SplitEntry],
    output: Path,
    *,
    device: str = "auto",
    engine: str | None = None,
    mount: Mount = USUAL_MOUNT,
    heights: Mapping[Path, float] | None = None,
) -> dict[str, tuple[float, float]]:
    """Write a checkpoint with the ranges of its depth on these frames, and the same weights.

    Args:
        checkpoint: to be read.
        entries: what it was trained on, with the paths of files; some of them, if they are many.
        output: to be written; may be the same.
        device: to compute on.
        engine: None is PyTorch, auto the fastest.
        mount: of the camera.
        heights: of cameras that are at another height, metres, by image.

    Returns:
        The ranges.

    Raises:
        HmaDepthError: a frame cannot be used, or depth is not finite on one.

    """
    predictor = evaluated_network(
        checkpoint, device=device, engine=engine, precision="auto" if engine == "auto" else None
    )
    step = math.ceil(len(entries) / MOST_FRAMES)
    found = []
    for entry in entries[::step]:
        height = (heights or {}).get(entry.image, mount.height)
        predictor.mount = replace(mount, height=height)
        traits = frame_traits(predictor, entry)
        if not all(map(math.isfinite, traits.values())):
            raise HmaDepthError(f"{checkpoint}: depth of {entry.image} is not finite")
        found.append(traits)
    ranges = usual_ranges(found)
    rewrite_info(checkpoint, output, replace(predictor.info, depth_ranges=ranges))
    return ranges
