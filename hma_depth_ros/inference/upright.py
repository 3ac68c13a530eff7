"""Whether an image is the right way up, asked of the network by showing it the image turned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.pixel_format import PixelFormat
from hma_depth_ros.inference.plausibility import depth_traits
from hma_depth_ros.inference.predictor import DepthPredictor


def turned_traits(
    predictor: DepthPredictor,
    image: npt.NDArray[np.uint8],
    camera: PinholeCamera | None,
    pixel_format: PixelFormat,
) -> dict[str, float]:
    """Traits of the depth of an image turned by 180 degrees; takes a pass through the network.

    Args:
        predictor: makes depth.
        image: as for `DepthPredictor.predict`.
        camera: of the image as it is.
        pixel_format: of the image.

    Raises:
        HmaDepthError: as `DepthPredictor.predict`.

    """
    turned = np.ascontiguousarray(image[::-1, ::-1])
    found = predictor.predict(turned, camera, pixel_format=pixel_format, outputs={"sample"})
    assert found.sample is not None
    return depth_traits(found.sample)
