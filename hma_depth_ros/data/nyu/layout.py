"""NYU Depth v2 as BTS extracts it: SCENE/rgb_N.jpg and SCENE/sync_depth_N.png in millimetres."""

from __future__ import annotations

import re
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import GroundTruth
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES, first_file, spellings
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.window import Window

#: Stored units in a metre.
UNITS_PER_METRE = 1000.0

PAGE = "https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html"

#: Of the colour camera, in pixels, as BTS's lists give it (the toolbox' fx).
FOCAL_LENGTH = 518.8579

#: Under the data folder, in the order tried; "" is the folder itself.
FOLDERS = ("", "official_splits/test", "test", "sync")


def find_image(root: Path, relative: Path) -> Path | None:
    """The image that a split calls `relative`, under `root`."""
    # Lists say .jpg; `extract_nyu` writes PNG, which loses nothing.
    return first_file(root, FOLDERS, spellings(relative, IMAGE_SUFFIXES))


def find_depth(root: Path, relative: GroundTruth) -> GroundTruth | None:
    """The ground truth that a split calls `relative`, under `root`; no scene has LiDAR scans."""
    if isinstance(relative, LidarScan):
        return None
    return first_file(root, FOLDERS, spellings(relative))


def image_path(scene: str, number: int) -> Path:
    """Of a frame, as `extract_nyu` writes it."""
    return Path(scene, f"rgb_{number:05}.png")


def depth_path(scene: str, number: int) -> Path:
    """Of a frame's ground truth."""
    return Path(scene, f"sync_depth_{number:05}.png")


def is_image(path: Path) -> bool:
    """Whether a path is of the form SCENE/rgb_N.jpg."""
    return re.fullmatch(r"rgb_\d{5}", path.stem) is not None and bool(path.parent.name)


def frame_name(path: Path) -> str:
    """SCENE_rgb_N, as BTS names predictions, of SCENE/rgb_N.jpg or of a prediction."""
    if path.stem.startswith("rgb_") and path.parent.name:
        return f"{path.parent.name}_{path.stem}"
    if path.stem.startswith("sync_depth_") and path.parent.name:
        return f"{path.parent.name}_rgb_{path.stem.removeprefix('sync_depth_')}"
    return path.stem


def without_border(height: int, width: int) -> Window:
    """The image without the white frame that undistortion left around it.

    Raises:
        HmaDepthError: the image is not of NYU Depth v2's size.

    """
    if (height, width) != (480, 640):
        raise HmaDepthError(f"the image is {width}x{height}, not NYU Depth v2's 640x480")
    return Window(45, 472, 43, 608)
