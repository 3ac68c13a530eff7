"""What comes with the package for inference: the default checkpoint, the self-check's frame."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.assets import CHECKPOINT, asset
from hma_depth_ros.errors import HmaDepthError


@lru_cache(maxsize=1)
def default_checkpoint() -> Path:
    """Checkpoint that is used where none is named, compared with its checksum once.

    Raises:
        HmaDepthError: the installation lacks it, or it is not the one that was packaged.

    """
    path = asset(CHECKPOINT)
    expected, _, _ = asset(f"{path.name}.sha256").read_text(encoding="ascii").partition(" ")
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise HmaDepthError(
            f"{path} is damaged (SHA-256 {found}, not {expected}); install the package again"
        )
    return path


def self_check_image() -> npt.NDArray[np.uint8]:
    """A street, RGB (H, W, 3), on which engines are compared."""
    bgr = cv2.imread(str(asset("self_check.jpg")), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
