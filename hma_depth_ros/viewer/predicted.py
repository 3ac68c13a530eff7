"""Moments of images alone: a predictor makes all that is to be seen beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.image_file import read_rgb
from hma_depth_ros.geometry.camera import PinholeCamera
from hma_depth_ros.inference.prediction import Output
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.viewer.moment import Contents, Moment

#: Nanoseconds from image to image where nothing says when they were taken.
_STEP = 100_000_000


def predicted(
    predictor: DepthPredictor,
    image: npt.NDArray[np.uint8],
    camera: PinholeCamera | None,
    stamp: int,
) -> Moment:
    """What a predictor says of an image (H, W, 3).

    Args:
        predictor: makes it.
        image: RGB.
        camera: of the image; without one depth is unscaled and has no cloud.
        stamp: nanoseconds.

    Raises:
        HmaDepthError: the image cannot be used.

    """
    outputs: set[Output] = {"depth"}
    if predictor.scales:
        outputs.add("attention")
    if camera is not None:
        outputs.add("points")
    if predictor.estimates_error:
        outputs.add("confidence")
    found = predictor.predict(image, camera, outputs=outputs)
    return Moment(
        stamp=stamp,
        image=image,
        camera=camera,
        depth=found.depth,
        masks=found.attention,
        confidence=found.confidence,
        cloud=found.points,
        figures={"forward pass in s": found.seconds["forward"]},
    )


def image_moments(
    predictor: DepthPredictor, images: Sequence[Path], fx: float | None
) -> tuple[Contents, Iterator[Moment]]:
    """Contents and moments of image files, ten a second.

    Args:
        predictor: makes depth.
        images: rectified ones.
        fx: focal length in pixels of a camera with a centred principal point, if it is known.

    """
    contents = Contents(
        title=images[0].stem if len(images) == 1 else f"{len(images)} images",
        max_depth=predictor.max_depth,
        scales=len(predictor.scales),
        confidence=predictor.estimates_error,
        cloud=fx is not None,
    )

    def moments() -> Iterator[Moment]:
        for number, path in enumerate(images):
            image = read_rgb(path)
            height, width = image.shape[:2]
            camera = None
            if fx is not None:
                camera = PinholeCamera.from_focal_length(fx, width=width, height=height)
            yield predicted(predictor, image, camera, number * _STEP)

    return contents, moments()
