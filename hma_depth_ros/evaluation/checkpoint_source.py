"""Predictions of a checkpoint, made while they are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.evaluated_network import computed_by, evaluated_network
from hma_depth_ros.evaluation.prediction_sources import Depth, PredictedDepth, ShownPrediction
from hma_depth_ros.evaluation.protocol_windows import kitti_crop
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.bundled import default_checkpoint
from hma_depth_ros.inference.predictor import Output


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
        uncertainty: bool = False,
    ) -> None:
        """Load a checkpoint (None: the bundled one).

        Args:
            checkpoint: or an exported file.
            device: see `evaluated_network`, as for the next two.
            engine: that runs the network.
            precision: that it computes in.
            flip: depth (and uncertainty) is the mean of the image's and of its mirror image's
                (Godard et al., 2017, without their ramps at the borders, which are for
                stereo-trained networks).
            uncertainty: give it too, if the network states it.

        Raises:
            HmaDepthError: checkpoint, device, engine or precision cannot be used.

        """
        path = default_checkpoint() if checkpoint is None else checkpoint
        self._predictor = evaluated_network(path, device=device, engine=engine, precision=precision)
        self.computed_by = computed_by(self._predictor)
        self._lock = Lock()
        self._flip = flip
        self.has_uncertainty = uncertainty and self._predictor.info.model.uncertainty
        self.description = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
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

    def shown(self, frame: EvaluatedFrame, view: View) -> ShownPrediction:
        """See `PredictionSource`: with masks and confidence, if the network has them."""
        assert frame.listed is not None
        image = read_rgb(frame.listed.image)
        camera = entry_camera(frame.listed, image.shape).camera
        if view == "crop":
            crop = kitti_crop(*image.shape[:2])
            image, camera = crop.of(image), crop.camera(camera)
        depth = self._averaged(image, camera).depth
        outputs: set[Output] = set()
        if self._predictor.info.model.attention:
            outputs.add("attention")
        if self._predictor.estimates_error:
            outputs.add("confidence")
        with self._lock:
            found = self._predictor.predict(np.ascontiguousarray(image), camera, outputs=outputs)
        return ShownPrediction(depth, found.attention, found.confidence)

    def _averaged(self, image: npt.NDArray[np.uint8], camera: PinholeCamera) -> PredictedDepth:
        if not self._flip:
            return self._predicted([image], [camera])[0]
        found, mirrored = self._predicted([image, image[:, ::-1]], [camera, camera.mirrored()])
        sigma = None
        if found.uncertainty is not None and mirrored.uncertainty is not None:
            sigma = _mean(found.uncertainty, mirrored.uncertainty[:, ::-1])
        return PredictedDepth(_mean(found.depth, mirrored.depth[:, ::-1]), sigma)

    def _predicted(
        self, images: Sequence[npt.NDArray[np.uint8]], cameras: Sequence[PinholeCamera]
    ) -> list[PredictedDepth]:
        """Of images of one size: on a GPU in one pass, which costs less than several."""
        predictor = self._predictor
        outputs: set[Output] = {"depth"}
        if self.has_uncertainty:
            outputs.add("uncertainty")
        images = [np.ascontiguousarray(image) for image in images]
        with self._lock:
            if predictor.engine.device.type == "cuda":
                found = predictor.predict_batch(images, cameras, outputs=outputs)
            else:
                pairs = zip(images, cameras, strict=True)
                found = [predictor.predict(*pair, outputs=outputs) for pair in pairs]
        depths = []
        for prediction in found:
            assert prediction.depth is not None
            depths.append(PredictedDepth(prediction.depth, prediction.uncertainty))
        return depths


def _mean(first: Depth, second: Depth) -> Depth:
    return (first + second) * np.float32(0.5)
