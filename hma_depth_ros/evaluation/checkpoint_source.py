"""Predictions of a checkpoint, made while they are scored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from hma_depth_ros.assets import default_checkpoint
from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.data.splits.entry_camera import entry_camera
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.evaluated_frames import EvaluatedFrame
from hma_depth_ros.evaluation.evaluated_network import computed_by, evaluated_network
from hma_depth_ros.evaluation.prediction_sources import (
    Depth,
    Found,
    PredictedDepth,
    PredictionSource,
    ShownPrediction,
)
from hma_depth_ros.evaluation.protocol_windows import kitti_crop
from hma_depth_ros.evaluation.protocols import View
from hma_depth_ros.geometry.camera_planes import USUAL_MOUNT, Mount
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.prediction import Output, Prediction, PredictionRequest
from hma_depth_ros.inference.together import at_a_time, predict_together


class CheckpointPredictions(PredictionSource):
    """A network that is shown the 352x1216 crop or the whole image."""

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        device: str = "auto",
        engine: str | None = None,
        precision: str | None = None,
        mount: Mount = USUAL_MOUNT,
        flip: bool = False,
        uncertainty: bool = False,
        batch: int | None = None,
    ) -> None:
        """Load a checkpoint (None: the bundled one).

        Args:
            checkpoint: or an exported file.
            device: see `evaluated_network`, as for the next three.
            engine: that runs the network.
            precision: that it computes in.
            mount: of the camera.
            flip: depth (and uncertainty) is the mean of the image's and of its mirror image's
                (Godard et al., 2017, without their ramps at the borders, which are for
                stereo-trained networks).
            uncertainty: give it too, if the network states it.
            batch: images that go through the network at once, if they have one size there; an
                image and its mirror image are two. None is the device's choice: one on a CPU.

        Raises:
            HmaDepthError: checkpoint, device, engine or precision cannot be used.

        """
        path = default_checkpoint() if checkpoint is None else checkpoint
        self._predictor = evaluated_network(
            path, device=device, engine=engine, precision=precision, mount=mount
        )
        self.computed_by = computed_by(self._predictor)
        self._lock = Lock()
        self._flip = flip
        self.batch = batch or at_a_time(self._predictor)
        self.has_uncertainty = uncertainty and self._predictor.info.model.uncertainty
        self.description = f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"

    def predictions(
        self, frame: EvaluatedFrame, views: Collection[View]
    ) -> dict[View, PredictedDepth]:
        """See `PredictionSource`: of the view's own size."""
        (found,) = self.several([frame], views)
        if isinstance(found, HmaDepthError):
            raise found
        return found

    def several(self, frames: Sequence[EvaluatedFrame], views: Collection[View]) -> list[Found]:
        """See `PredictionSource`: in batches."""
        asked: list[list[PredictionRequest] | HmaDepthError] = []
        for frame in frames:
            try:
                asked.append(self._requests(frame, views))
            except HmaDepthError as error:
                asked.append(error)
        good = [request for own in asked if not isinstance(own, HmaDepthError) for request in own]
        pairs = [(self._predictor, request) for request in good]
        with self._lock:
            predictions = iter(predict_together(pairs, most=self.batch))
        return [
            own
            if isinstance(own, HmaDepthError)
            else self._by_view(views, [next(predictions) for _ in own])
            for own in asked
        ]

    def shown(self, frame: EvaluatedFrame, view: View) -> ShownPrediction:
        """See `PredictionSource`: with masks and confidence, if the network has them."""
        depth = self.predictions(frame, {view})[view].depth
        outputs: set[Output] = set()
        if self._predictor.info.model.attention:
            outputs.add("attention")
        if self._predictor.estimates_error:
            outputs.add("confidence")
        asked = self._requests(frame, {view})[0]
        with self._lock:
            found = self._predictor.predict(asked.image, asked.camera, outputs=outputs)
        return ShownPrediction(depth, found.attention, found.confidence)

    def _requests(self, frame: EvaluatedFrame, views: Collection[View]) -> list[PredictionRequest]:
        """One for each view, or the image's and then its mirror image's."""
        assert frame.listed is not None
        image = read_rgb(frame.listed.image)
        camera = entry_camera(frame.listed, image.shape).camera
        crop = kitti_crop(*image.shape[:2])
        outputs: set[Output] = {"depth"}
        if self.has_uncertainty:
            outputs.add("uncertainty")
        shown = []
        for view in views:
            cut = (crop.of(image), crop.camera(camera)) if view == "crop" else (image, camera)
            shown.append(cut)
            if self._flip:
                shown.append((cut[0][:, ::-1], cut[1].mirrored()))
        return [
            PredictionRequest(np.ascontiguousarray(pixels), its, PixelFormat.RGB, outputs)
            for pixels, its in shown
        ]

    def _by_view(
        self, views: Collection[View], found: Sequence[Prediction | HmaDepthError]
    ) -> Found:
        """What was found for the requests of a frame."""
        depths: list[PredictedDepth] = []
        for prediction in found:
            if isinstance(prediction, HmaDepthError):
                return prediction
            assert prediction.depth is not None
            depths.append(PredictedDepth(prediction.depth, prediction.uncertainty))
        if self._flip:
            depths = [*map(_averaged, depths[::2], depths[1::2])]
        return dict(zip(views, depths, strict=True))


def _averaged(found: PredictedDepth, mirrored: PredictedDepth) -> PredictedDepth:
    """Mean of an image's and its mirror image's."""
    sigma = None
    if found.uncertainty is not None and mirrored.uncertainty is not None:
        sigma = _mean(found.uncertainty, mirrored.uncertainty[:, ::-1])
    return PredictedDepth(_mean(found.depth, mirrored.depth[:, ::-1]), sigma)


def _mean(first: Depth, second: Depth) -> Depth:
    return (first + second) * np.float32(0.5)
