"""The scale of a camera's depth by the camera's height: said always, applied on request."""

from __future__ import annotations

import threading

import numpy.typing as npt

from hma_depth_ros.geometry.camera_planes import Mount
from hma_depth_ros.inference.prediction import Prediction
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.road_scale import LEAST_FRAMES, ScaleSmoother, scale_by_height
from hma_depth_ros.ros.depth_node.parameters import DepthNodeParameters

#: Unless the scale is applied it is for the diagnostics alone, and one frame of so many tells it.
UNAPPLIED_EVERY = 10


class HeightCorrection:
    """Looks at frames' roads; the worker's thread adds, the diagnostics' reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._smoother = ScaleSmoother()
        self._passed_over = UNAPPLIED_EVERY  # frames since the last that was looked at
        self._of: object = None  # what the scales found so far are true for
        self._applied = 1.0

    def factor(self, values: DepthNodeParameters, predictor: DepthPredictor) -> float:
        """What the next frame's depth is to be multiplied by; 1 unless that is asked for."""
        of = (
            *(predictor.mount, predictor.scale, predictor.region, predictor.input_width),
            values.height_scale_limit,
        )
        with self._lock:
            if self._of != of:
                self._of, self._smoother = of, ScaleSmoother()
                self._passed_over = UNAPPLIED_EVERY
            self._applied = self._smoother.factor if values.scale_from_height else 1.0
            return self._applied

    def look(
        self,
        prediction: Prediction,
        values: DepthNodeParameters,
        mount: Mount,
        *,
        applied: float,
    ) -> None:
        """Take what a frame's depth, or else its cloud, says; unless applied, of a tenth of them.

        Args:
            prediction: of the frame; nothing is looked for without a camera and one of the two.
            values: parameters of the frame.
            mount: of the camera.
            applied: `factor`, which that depth was multiplied by.

        """
        depth: npt.NDArray | None = prediction.depth
        camera = prediction.camera
        if camera is None:
            return
        if depth is None and prediction.cloud is not None:
            depth, camera = prediction.cloud[..., 2], camera.every(values.cloud_stride)
        if depth is None:
            return
        self._passed_over += 1
        if not values.scale_from_height and self._passed_over < UNAPPLIED_EVERY:
            return
        self._passed_over = 0
        found = scale_by_height(depth, camera, mount, limit=values.height_scale_limit)
        with self._lock:
            self._smoother.add(found, applied=applied)

    def figures(self) -> dict[str, str]:
        """For the diagnostics; empty before the first frame that was looked at."""
        with self._lock:
            smoother, applied = self._smoother, self._applied
            found = smoother.smoothed()
            counted = f"{smoother.roads} of {smoother.frames}"
        if not smoother.frames:
            return {}
        figures = {"scale from height: frames with a road": counted}
        if found is None:
            return {"scale from height": "no road was seen"} | figures
        enough = "" if found.frames >= LEAST_FRAMES else f" (of {LEAST_FRAMES} frames at least)"
        return {
            "scale from height": f"{found.value:.3f}{enough}",
            "scale from height: spread": f"{found.spread:.3f}",
            "scale from height: inliers": f"{found.share:.2f}",
            **figures,
            "scale from height: applied": f"{applied:.3f}",
        }
