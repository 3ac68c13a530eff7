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
from hma_depth_ros.evaluation.evaluated_network import computed_by, evaluated_network
from hma_depth_ros.evaluation.frames import Frame
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.evaluation.sources import Depth
from hma_depth_ros.evaluation.windows import kitti_crop
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.bundled import default_checkpoint


class CheckpointPredictions:
    """A network that is shown the 352x1216 crop or the whole image."""

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        device: str = "auto",
        engine: str | None = None,
        precision: str | None = None,
        flip: bool = False,
    ) -> None:
        """Load a checkpoint (None: the bundled one), see `evaluated_network`.

        With `flip`, depth is the mean of the image's and of its mirror image's (Godard et al.,
        2017, without their ramps at the borders, which are for stereo-trained networks).

        Raises:
            HmaDepthError: checkpoint, device, engine or precision cannot be used.

        """
        path = default_checkpoint() if checkpoint is None else checkpoint
        self._predictor = evaluated_network(path, device=device, engine=engine, precision=precision)
        self.computed_by = computed_by(self._predictor)
        self._lock = Lock()
        self._flip = flip
        self.description = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"

    def depths(self, frame: Frame, views: Collection[View]) -> dict[View, Depth]:
        """See `PredictionSource`: of the view's own size."""
        assert frame.listed is not None
        image = read_rgb(frame.listed.image)
        camera = entry_camera(frame.listed, image.shape).camera
        crop = kitti_crop(*image.shape[:2])
        return {
            view: self._depth(crop.of(image), crop.camera(camera))
            if view == "crop"
            else self._depth(image, camera)
            for view in views
        }

    def _depth(self, image: npt.NDArray[np.uint8], camera: PinholeCamera) -> Depth:
        depth = self._predicted(image, camera)
        if not self._flip:
            return depth
        mirrored = self._predicted(image[:, ::-1], camera.mirrored())[:, ::-1]
        return (depth + mirrored) * np.float32(0.5)

    def _predicted(self, image: npt.NDArray[np.uint8], camera: PinholeCamera) -> Depth:
        with self._lock:
            found = self._predictor.predict(
                np.ascontiguousarray(image), camera, outputs={"depth"}
            ).depth
        assert found is not None
        return found
