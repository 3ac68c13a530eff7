"""What can be asked of a predictor for an image, and what it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.pixel_format import PixelFormat

Output = Literal["depth", "attention", "points", "uncertainty", "confidence", "sample"]
#: Whose pixels the arrays have: the image's, or the network input's, cropped and resized.
Resolution = Literal["image", "network"]
#: All that a prediction can hold.
OUTPUTS: frozenset[Output] = frozenset(get_args(Output))


@dataclass
class Prediction:
    """What was asked for, as NumPy arrays of one size (H, W), and how long it took."""

    #: Of the arrays: the image's camera, or the network input's with `resolution="network"`.
    camera: PinholeCamera | None
    #: (H, W) float32, metres along the optical axis; NaN outside the region, +inf beyond the range.
    depth: npt.NDArray[np.float32] | None = None
    #: (S, H, W) float32, coarse to fine: masks M_s that sum to 1, NaN outside the region.
    attention: npt.NDArray[np.float32] | None = None
    #: (H, W) float32: sigma of ln(depth), which about two thirds of the errors are below; NaN
    #: outside the region. None of a model that does not estimate it.
    uncertainty: npt.NDArray[np.float32] | None = None
    #: (H, W) float32 in [0, 1]: probability that depth is within a factor of 1.25 of the true one,
    #: by the uncertainty; NaN outside the region.
    confidence: npt.NDArray[np.float32] | None = None
    #: (H, W, columns of the layout) float32: points with packed colours, (H, W) of the filter.
    cloud: npt.NDArray[np.float32] | None = None
    #: Pixels of the network's depth, or else of its masks, that are no number: NaN in the arrays.
    undefined: int = 0
    #: (h, w) float32: every 16th pixel of what the network sees, metres for its training focal
    #: length, to judge by (`inference/plausibility.py`).
    sample: npt.NDArray[np.float32] | None = None
    #: Seconds by stage: preprocess, forward, postprocess.
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def points(self) -> npt.NDArray[np.float32] | None:
        """(H, W, 3) float32, metres in the optical frame (REP 103); NaN without depth."""
        return None if self.cloud is None else self.cloud[..., :3]


@dataclass(frozen=True)
class OutputArrays:
    """Memory for a prediction's arrays, in their shapes and types; None is memory of their own.

    Planes (H, W) and clouds are contiguous. Page-locked memory (`host_memory`) saves CUDA a copy.
    """

    depth: npt.NDArray[np.float32] | None = None
    attention: npt.NDArray[np.float32] | None = None
    uncertainty: npt.NDArray[np.float32] | None = None
    confidence: npt.NDArray[np.float32] | None = None
    #: With zeros in the padding columns.
    cloud: npt.NDArray[np.float32] | None = None


#: Of each prediction.
OWN_MEMORY = OutputArrays()


@dataclass(frozen=True)
class PredictionRequest:
    """What `DepthPredictor.predict` takes."""

    image: npt.NDArray[np.uint8]
    camera: PinholeCamera | None
    pixel_format: PixelFormat
    outputs: Collection[Output]
    out: OutputArrays = OWN_MEMORY
    scale: float = 1.0  #: factor on this image's depth, beside the predictor's own
