"""The whole camera of a list's entry, and where its principal point comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from hma_depth_ros.data.image_file import image_size
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE, calibration_folder, read_cameras
from hma_depth_ros.data.kitti.frames import intrinsics_of, read_intrinsics
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import PinholeCamera

#: `list`: the list gives all of the camera; `calibration`: KITTI's files, which lie by the image;
#: `middle`: neither, and the principal point is taken to be the image's middle.
CameraSource = Literal["list", "calibration", "middle"]
SOURCES: tuple[CameraSource, ...] = get_args(CameraSource)

#: Relative. KITTI's days differ by 7e-4 at least, lists have four decimals.
_FOCAL_TOLERANCE = 1e-4


@dataclass(frozen=True)
class EntryCamera:
    """Camera of a stored image."""

    camera: PinholeCamera
    source: CameraSource  #: of fy and the principal point


@dataclass(frozen=True)
class Calibrated:
    """What KITTI's files say of a stored image."""

    camera: PinholeCamera  #: at the image's own size
    focal_tolerance: float  #: relative: what rounding can make of fx

    def agrees(self, fx: float) -> bool:
        """Whether a list's focal length is this camera's."""
        return abs(fx / self.camera.fx - 1) <= self.focal_tolerance


def entry_camera(entry: SplitEntry, shape: tuple[int, ...]) -> EntryCamera:
    """Camera of an entry's image; the one place where lists become cameras.

    fx is always the list's. What the list leaves out is KITTI's by the calibration beside the
    image, if the image is a whole one of that camera (its shape and the list's fx agree with it);
    of any other image pixels are square and the principal point is in the middle.

    Args:
        entry: with the path of its file.
        shape: of the image as it is stored, (H, W) and perhaps channels.

    Raises:
        HmaDepthError: a calibration file is damaged, or has no such camera.

    """
    height, width = shape[:2]
    if entry.intrinsics is not None:
        return EntryCamera(entry.intrinsics.of_image(width=width, height=height), "list")
    known = calibrated(entry.image, shape)
    if known is not None and known.agrees(entry.focal_length):
        return EntryCamera(replace(known.camera, fx=entry.focal_length), "calibration")
    middle = PinholeCamera.from_focal_length(entry.focal_length, width=width, height=height)
    return EntryCamera(middle, "middle")


def calibrated(image: Path, shape: tuple[int, ...]) -> Calibrated | None:
    """Camera of a stored image of (H, W, ...) by KITTI's files; None: there is none, or it was cut.

    Raises:
        HmaDepthError: the file is damaged, or has no such camera.

    """
    height, width = shape[:2]
    if image.parent.name == "image" and intrinsics_of(image).is_file():
        intrinsics = read_intrinsics(intrinsics_of(image))
        return Calibrated(intrinsics.of_image(width=width, height=height), _FOCAL_TOLERANCE)
    official = _of_day(image)
    if official is None:
        return None
    # A resized image's sides were rounded to a pixel.
    if abs(official.height * width / official.width - height) > 1:
        return None
    rounding = 0.0 if width == official.width else 0.5 / width
    return Calibrated(official.resize(width=width, height=height), _FOCAL_TOLERANCE + rounding)


def _of_day(image: Path) -> PinholeCamera | None:
    """Camera of the official image by the calibration of its day; None: there is no such file."""
    # DAY/DRIVE/image_02/data/FRAME.png
    folder = re.fullmatch(r"image_0(\d)", image.parts[-3]) if len(image.parts) >= 5 else None
    if folder is None:
        return None
    path = calibration_folder(image.parents[2]) / CAMERAS_FILE
    if not path.is_file():
        return None
    cameras, number = _cameras(path), int(folder[1])
    if number not in cameras:
        raise HmaDepthError(f"{path} has no camera {number}, of which {image} is")
    return cameras[number]


@lru_cache(maxsize=32)
def _cameras(path: Path) -> dict[int, PinholeCamera]:
    return {number: camera.rectified for number, camera in read_cameras(path).items()}


def with_intrinsics(entry: SplitEntry, image: Path) -> SplitEntry:
    """The entry with KITTI's camera written out; as it is where no calibration tells it.

    Args:
        entry: of a list.
        image: the file that it names.

    Raises:
        HmaDepthError: image or calibration is damaged.

    """
    width, height = image_size(image)
    found = entry_camera(replace(entry, image=image), (height, width))
    if found.source != "calibration":
        return entry
    return replace(entry, intrinsics=found.camera.intrinsics)


def source_line(counts: Mapping[CameraSource, int]) -> str:
    """How many frames have their principal point from where, for people."""
    words = {
        "list": "from the list",
        "calibration": "from KITTI's calibration",
        "middle": "taken to be the image's middle",
    }
    told = [f"{counts[name]} {words[name]}" for name in SOURCES if counts.get(name)]
    return f"principal points: {', '.join(told)}"
