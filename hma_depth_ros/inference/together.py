"""Several images through the network at once, where that is faster: on a GPU."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.prediction import Prediction, PredictionRequest
from hma_depth_ros.inference.predictor import DepthPredictor, predict_requests

#: Images that fill a GPU at usual sizes; more take as long one by one, and more memory.
USUAL_MOST = 4


def at_a_time(predictor: DepthPredictor) -> int:
    """How many images go through the network at once: on a CPU one, which takes the least time."""
    return 1 if predictor.engine.device.type == "cpu" else USUAL_MOST


def predict_together(
    requests: Sequence[tuple[DepthPredictor, PredictionRequest]], *, most: int
) -> list[Prediction | HmaDepthError]:
    """One prediction for each request; an image that cannot be used has its error in its place.

    Args:
        requests: to predictors that share an engine. Images of one size for the network go through
            it together.
        most: images at once.

    """
    results: dict[int, Prediction | HmaDepthError] = {}
    for group in _groups(requests, most):
        members = [requests[index] for index in group]
        found: Sequence[Prediction | HmaDepthError]
        try:
            found = predict_requests(members) if len(members) > 1 else [_predict(*members[0])]
        except HmaDepthError:  # whose it is shows one by one
            found = [_predict(*member) for member in members]
        results.update(zip(group, found, strict=True))
    return [results[index] for index in range(len(requests))]


def _groups(
    requests: Sequence[tuple[DepthPredictor, PredictionRequest]], most: int
) -> list[list[int]]:
    """Positions of the requests that go through together."""
    by_size: dict[Hashable, list[int]] = {}
    for index, (predictor, request) in enumerate(requests):
        height, width = request.image.shape[:2]
        key: Hashable = None
        with suppress(HmaDepthError):  # the predictor says it again
            key = predictor.plan((height, width)).network_size
        by_size.setdefault(key, []).append(index)
    return [
        same[start : start + most]
        for same in by_size.values()
        for start in range(0, len(same), most)
    ]


def _predict(predictor: DepthPredictor, request: PredictionRequest) -> Prediction | HmaDepthError:
    try:
        return predictor.predict(
            request.image,
            request.camera,
            pixel_format=request.pixel_format,
            outputs=request.outputs,
            out=request.out,
            scale=request.scale,
        )
    except HmaDepthError as error:
        return error
