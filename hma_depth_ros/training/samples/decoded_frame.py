"""What was read of a training frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hma_depth_ros.geometry.camera import PinholeCamera


class DecodedFrame(NamedTuple):
    """What was read of a frame; None: there is none."""

    image: npt.NDArray[np.uint8]  #: (H, W, 3)
    depth: npt.NDArray[np.float32] | None  #: (H, W)
    labels: npt.NDArray[np.uint8] | None  #: (H, W)
    weight: npt.NDArray[np.float32] | None  #: (H, W) of the depth; None: all weigh 1
    camera: PinholeCamera | None  #: None: nothing depends on it
