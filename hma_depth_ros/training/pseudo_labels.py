"""Depth that several networks agree on, as ground truth for frames that have none (self-training).

Each network looks at a frame at several sizes, and mirrored. Their mean is better than any of them,
and where they differ nobody knows: such pixels get no label. A smaller network that learns from
these labels comes near the mean, at its own cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.predictor import DepthPredictor

Depth = npt.NDArray[np.float32]


def views_of(
    predictors: Sequence[DepthPredictor],
    widths: Sequence[int | None],
    image: npt.NDArray[np.uint8],
    camera: PinholeCamera,
) -> Iterator[Depth]:
    """Depth (H, W) in metres by each network at each width, of the image and of its mirror image.

    Args:
        predictors: with outputs at the image's size.
        widths: of the network's input; None is the checkpoint's.
        image: (H, W, 3), RGB.
        camera: of the image.

    """
    mirrored = np.ascontiguousarray(image[:, ::-1])
    for predictor in predictors:
        own = predictor.input_width
        for width in widths:
            predictor.input_width = width or own
            for pixels, seen_by in ((image, camera), (mirrored, camera.mirrored())):
                depth = predictor.predict(pixels, seen_by, outputs={"depth"}).depth
                assert depth is not None
                yield depth if pixels is image else depth[:, ::-1]
        predictor.input_width = own


def agreed_depth(depths: Sequence[Depth], *, tolerance: float) -> Depth:
    """Geometric mean (H, W) of depths in metres; 0 where they do not agree.

    They agree where the standard deviation of their logarithms is at most `tolerance`.
    """
    logarithms = np.log(np.stack(depths))
    agree = logarithms.std(axis=0) <= tolerance
    return np.where(agree, np.exp(logarithms.mean(axis=0)), 0).astype(np.float32)
