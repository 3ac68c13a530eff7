"""Several images through the network at once, where that is faster: on a GPU."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.predictor import DepthPredictor, Output, OutputArrays, Prediction

#: Images that fill a GPU at usual sizes; more take as long one by one, and more memory.
_TOGETHER = 4


@dataclass(frozen=True)
class PredictionRequest:
    """What `DepthPredictor.predict` takes."""

    image: npt.NDArray[np.uint8]
    camera: PinholeCamera | None
    pixel_format: PixelFormat
    outputs: Collection[Output]
    out: OutputArrays = field(default_factory=OutputArrays)  #: where the results are written


def at_a_time(predictor: DepthPredictor) -> int:
    """How many images go through the network at once: on a CPU one, which takes the least time."""
    return 1 if predictor.engine.device.type == "cpu" else _TOGETHER


def predict_together(
    predictor: DepthPredictor, requests: Sequence[PredictionRequest]
) -> list[Prediction | HmaDepthError]:
    """One prediction for each request; an image that cannot be used has its error in its place."""
    kinds = {(r.image.shape, r.pixel_format, frozenset(r.outputs)) for r in requests}
    if at_a_time(predictor) > 1 and len(requests) > 1 and len(kinds) == 1:
        try:
            return list(
                predictor.predict_batch(
                    [request.image for request in requests],
                    [request.camera for request in requests],
                    pixel_format=requests[0].pixel_format,
                    outputs=requests[0].outputs,
                )
            )
        except HmaDepthError:  # whose it is shows below
            pass
    return [_predict(predictor, request) for request in requests]


def _predict(predictor: DepthPredictor, request: PredictionRequest) -> Prediction | HmaDepthError:
    try:
        return predictor.predict(
            request.image,
            request.camera,
            pixel_format=request.pixel_format,
            outputs=request.outputs,
            out=request.out,
        )
    except HmaDepthError as error:
        return error
