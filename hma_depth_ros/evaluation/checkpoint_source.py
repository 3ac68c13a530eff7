"""Predictions of a checkpoint, made while they are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from threading import Lock

import numpy as np

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.evaluation.sources import Depth
from hma_depth_ros.evaluation.windows import kitti_crop
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.plan import kitti_benchmark_crop
from hma_depth_ros.inference.predictor import DepthPredictor


class CheckpointPredictions:
    """A network, shown the 352x1216 crop or the whole image; depth is scaled by the focal length."""

    def __init__(
        self, checkpoint: Path | None = None, *, device: str = "auto", flip: bool = False
    ) -> None:
        """Load a checkpoint (None: the bundled one).

        With `flip`, depth is the mean of the image's and of its mirror image's (Godard et al.,
        2017, without their ramps at the borders, which are for stereo-trained networks).

        Raises:
            HmaDepthError: checkpoint or device cannot be used.

        """
        path = default_checkpoint() if checkpoint is None else checkpoint
        self._predictor = DepthPredictor.from_checkpoint(path, device=device)
        self._lock = Lock()
        self._flip = flip
        self.description = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"

    def depths(self, frame: Frame, views: Collection[View]) -> dict[View, Depth]:
        """See `PredictionSource`: of the view's own size."""
        assert frame.image is not None
        image = read_rgb(frame.image)
        return {view: self._depth(image, frame.focal_length, view) for view in views}

    def _depth(self, image: np.ndarray, focal_length: float | None, view: View) -> Depth:
        height, width = image.shape[:2]
        camera = (
            None
            if focal_length is None
            else PinholeCamera.from_focal_length(focal_length, width=width, height=height)
        )
        window = kitti_crop(height, width)

        def predicted(pixels: np.ndarray) -> Depth:
            crop = kitti_benchmark_crop(width=width, height=height) if view == "crop" else None
            with self._lock:
                self._predictor.region = crop
                depth = self._predictor.predict(pixels, camera, outputs={"depth"}).depth
            assert depth is not None
            return depth if crop is None else window.of(depth)

        if view == "crop":
            # The mirror image of the crop, whose margins may differ by a pixel, not its own crop.
            image = window.of(image)
            if camera is not None:
                camera = camera.crop(
                    left=window.left, top=window.top, width=image.shape[1], height=image.shape[0]
                )
        depth = predicted(image)
        if not self._flip:
            return depth
        mirrored = predicted(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
        return (depth + mirrored) / 2
