"""Whether an image is the right way up, asked of the network by showing it the image turned."""

from __future__ import annotations

import copy

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

    Of a predictor with a region that part of the image is turned, so that the network sees the same
    pixels, told the same camera.

    Args:
        predictor: makes depth.
        image: as for `DepthPredictor.predict`.
        camera: of the image as it is.
        pixel_format: of the image.

    Raises:
        HmaDepthError: as `DepthPredictor.predict`.

    """
    region = predictor.plan((image.shape[0], image.shape[1])).region
    turned = np.ascontiguousarray(image[region.rows, region.columns][::-1, ::-1])
    if camera is not None:
        camera = region.camera(camera)
    of_all = copy.copy(predictor)
    of_all.region = None
    found = of_all.predict(turned, camera, pixel_format=pixel_format, outputs={"sample"})
    assert found.sample is not None
    return depth_traits(found.sample)
