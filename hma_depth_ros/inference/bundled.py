"""What comes with the package for inference: the default checkpoint, the self-check's frame."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.assets import asset
from hma_depth_ros.errors import HmaDepthError

#: What the bundled checkpoint is called where a file could be named: `model.weights`, and
#: `--checkpoint` of the commands that compare several.
BUNDLED = "bundled"
_CHECKPOINT = "hma_depth_mobile.safetensors"


@lru_cache(maxsize=1)
def default_checkpoint() -> Path:
    """Checkpoint that is used where none is named, compared with its checksum once.

    Raises:
        HmaDepthError: the installation lacks it, or it is not the one that was packaged.

    """
    path = asset(_CHECKPOINT)
    expected, _, _ = asset(f"{path.name}.sha256").read_text(encoding="ascii").partition(" ")
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise HmaDepthError(
            f"{path} is damaged (SHA-256 {found}, not {expected}); install the package again"
        )
    return path


def named_checkpoint(name: str | Path) -> Path:
    """The bundled checkpoint for its name, else the file of that name, there or not.

    Raises:
        HmaDepthError: the installation lacks the bundled one, or it is damaged.

    """
    return default_checkpoint() if str(name) == BUNDLED else Path(name)


def self_check_image() -> npt.NDArray[np.uint8]:
    """A street, RGB (H, W, 3), on which engines are compared."""
    bgr = cv2.imread(str(asset("self_check.jpg")), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
