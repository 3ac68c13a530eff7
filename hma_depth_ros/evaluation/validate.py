"""A model's error on a few whole frames, by drive: for choosing between models, not for tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.ground_truth import read_ground_truth
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.split import SplitEntry
from hma_depth_ros.evaluation.protocols import Protocol
from hma_depth_ros.evaluation.score import score
from hma_depth_ros.evaluation.windows import garg_window
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor

#: Like `bts`, but the network sees the whole image.
_WHOLE_IMAGE = Protocol("whole", "Garg's window of the image", garg_window, view="image")
_CAP = 80.0


def validate(
    predictor: DepthPredictor, entries: Sequence[SplitEntry]
) -> tuple[dict[str, dict[str, float]], list[float]]:
    """Mean metrics by drive and over `all` frames, and each scale's mean share of the masks.

    Whole images at their own size, Garg's window, ground truth up to 80 m; no scaling to it.
    """
    by_drive: dict[str, list[dict[str, float]]] = defaultdict(list)
    shares = []
    for entry in entries:
        if entry.depth is None:
            continue
        image, truth = read_rgb(entry.image), read_ground_truth(entry.depth)
        height, width = truth.shape
        camera = PinholeCamera.from_focal_length(entry.focal_length, width=width, height=height)
        found = predictor.predict(image, camera, outputs={"depth", "attention"})
        assert found.depth is not None
        metrics = score(found.depth, truth, _WHOLE_IMAGE, (_CAP,))[_WHOLE_IMAGE.key(_CAP)].metrics
        drive = kitti_drive_name(entry.image) or "others"
        by_drive[drive.removesuffix("_sync")].append(metrics)
        by_drive["all"].append(metrics)
        if found.attention is not None:
            shares.append(found.attention.mean((1, 2)))
    means = {
        drive: {name: float(np.mean([m[name] for m in frames])) for name in frames[0]}
        for drive, frames in by_drive.items()
    }
    return means, [float(share) for share in np.mean(shares, axis=0)] if shares else []
