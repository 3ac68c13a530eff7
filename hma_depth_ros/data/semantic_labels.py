"""What an image shows, pixel by pixel: Cityscapes ids in 8-bit PNG, as in KITTI's semantics."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.png_file import decode_png
from hma_depth_ros.data.splits.listed_path import first_file, spellings
from hma_depth_ros.errors import HmaDepthError

#: Where nothing is known.
NO_LABEL = 255
_FOLDER = "semantic"


class Label(IntEnum):
    """Cityscapes ids, as in KITTI's semantic benchmark."""

    ROAD = 7
    SIDEWALK = 8
    BUILDING = 11
    WALL = 12
    FENCE = 13
    GUARD_RAIL = 14
    BRIDGE = 15
    POLE = 17
    TRAFFIC_SIGN = 20
    VEGETATION = 21
    TERRAIN = 22
    SKY = 23
    CAR = 26
    TRUCK = 27
    BUS = 28


def find_labels(image: Path) -> Path | None:
    """The label map of an image, None where there is none.

    image_2/NNN.png has semantic/NNN.png beside its folder (KITTI's semantic benchmark), and
    DRIVE/image_02/data/NNN.png has DRIVE/semantic/NNN.png (`write_kitti_drive`); the image may be
    of another format.
    """
    folder = image.parent
    if folder.name == "image_2":
        labels = folder.parent / _FOLDER
    elif folder.name == "data" and folder.parent.name == "image_02":
        labels = folder.parent.parent / _FOLDER
    else:
        return None
    return first_file(labels, ("",), spellings(Path(f"{image.stem}.png")))


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Ids (H, W); `NO_LABEL` is none.

    Raises:
        HmaDepthError: the file is missing, damaged or not an 8-bit grey PNG.

    """
    labels = decode_png(path, cv2.IMREAD_UNCHANGED, what="label map")
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise HmaDepthError(f"{path} is not an 8-bit grey PNG, as KITTI stores labels")
    return labels


def labelled_sky(image: Path, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    """Where an image's labels show the sky, of which ground truth says nothing; None without them.

    Args:
        image: path of the image.
        shape: (H, W) of its ground truth.

    Raises:
        HmaDepthError: the labels cannot be read, or are of another size.

    """
    path = find_labels(image)
    if path is None:
        return None
    labels = read_labels(path)
    if labels.shape != shape:
        raise HmaDepthError(
            f"{path} is {labels.shape[1]}x{labels.shape[0]}, the ground truth of {image} "
            f"{shape[1]}x{shape[0]}"
        )
    return np.asarray(labels == Label.SKY)
