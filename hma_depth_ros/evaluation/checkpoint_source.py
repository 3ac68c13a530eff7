"""Predictions of a checkpoint, made while they are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.entry_camera import entry_camera
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.evaluation.sources import Depth, PredictedDepth
from hma_depth_ros.evaluation.windows import kitti_crop
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.predictor import DepthPredictor, Output


class CheckpointPredictions:
    """A network that is shown the 352x1216 crop or the whole image."""

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        device: str = "auto",
        flip: bool = False,
        uncertainty: bool = False,
    ) -> None:
        """Load a checkpoint (None: the bundled one).

        Args:
            checkpoint: or an exported file.
            device: see `DepthPredictor`.
            flip: depth (and uncertainty) is the mean of the image's and of its mirror image's
                (Godard et al., 2017, without their ramps at the borders, which are for
                stereo-trained networks).
            uncertainty: give it too, if the network states it.

        Raises:
            HmaDepthError: checkpoint or device cannot be used.

        """
        path = default_checkpoint() if checkpoint is None else checkpoint
        self._predictor = DepthPredictor.from_checkpoint(path, device=device)
        self._lock = Lock()
        self._flip = flip
        self.has_uncertainty = uncertainty and self._predictor.info.model.uncertainty
        self.description = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"

    def predictions(self, frame: Frame, views: Collection[View]) -> dict[View, PredictedDepth]:
        """See `PredictionSource`: of the view's own size."""
        assert frame.listed is not None
        image = read_rgb(frame.listed.image)
        camera = entry_camera(frame.listed, image.shape).camera
        crop = kitti_crop(*image.shape[:2])
        return {
            view: self._averaged(crop.of(image), crop.camera(camera))
            if view == "crop"
            else self._averaged(image, camera)
            for view in views
        }

    def _averaged(self, image: npt.NDArray[np.uint8], camera: PinholeCamera) -> PredictedDepth:
        found = self._predicted(image, camera)
        if not self._flip:
            return found
        mirrored = self._predicted(image[:, ::-1], camera.mirrored())
        sigma = None
        if found.uncertainty is not None and mirrored.uncertainty is not None:
            sigma = _mean(found.uncertainty, mirrored.uncertainty[:, ::-1])
        return PredictedDepth(_mean(found.depth, mirrored.depth[:, ::-1]), sigma)

    def _predicted(self, image: npt.NDArray[np.uint8], camera: PinholeCamera) -> PredictedDepth:
        outputs: set[Output] = {"depth"}
        if self.has_uncertainty:
            outputs.add("uncertainty")
        with self._lock:
            found = self._predictor.predict(np.ascontiguousarray(image), camera, outputs=outputs)
        assert found.depth is not None
        return PredictedDepth(found.depth, found.uncertainty)


def _mean(first: Depth, second: Depth) -> Depth:
    return (first + second) * np.float32(0.5)
