"""Predictions of a checkpoint, made while they are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.evaluation.sources import Depth
from hma_depth_ros.evaluation.windows import kitti_crop
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.predictor import DepthPredictor, Output


class CheckpointPredictions:
    """A network that is shown the 352x1216 crop or the whole image."""

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
        crop = kitti_crop(*image.shape[:2]).of(image)
        return {
            view: self._depth(crop if view == "crop" else image, frame.focal_length)
            for view in views
        }

    def _depth(self, image: npt.NDArray[np.uint8], focal_length: float | None) -> Depth:
        height, width = image.shape[:2]
        camera = None
        if focal_length is not None:  # which is all of the camera that depth depends on
            camera = PinholeCamera.from_focal_length(focal_length, width=width, height=height)
        if not self._flip:
            return self._predicted([image], camera)[0]
        depth, mirrored = self._predicted([image, image[:, ::-1]], camera)
        return (depth + mirrored[:, ::-1]) * np.float32(0.5)

    def _predicted(
        self, images: list[npt.NDArray[np.uint8]], camera: PinholeCamera | None
    ) -> list[Depth]:
        """Depths of images of one camera: on a GPU in one pass, which costs less than two."""
        predictor = self._predictor
        depth_only: set[Output] = {"depth"}
        images = [np.ascontiguousarray(image) for image in images]
        with self._lock:
            if predictor.engine.device.type == "cuda":
                cameras = [camera] * len(images)
                found = predictor.predict_batch(images, cameras, outputs=depth_only)
            else:
                found = [predictor.predict(i, camera, outputs=depth_only) for i in images]
        return [prediction.depth for prediction in found if prediction.depth is not None]
