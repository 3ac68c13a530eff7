"""Where the files of a split lie under the folder that a user unpacked KITTI into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import GroundTruth
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES, first_file, spellings

#: Numbers of rendered drives, which KITTI's own do not have: no recording is overwritten.
SYNTHETIC_DRIVES = range(9000, 10000)

COLOUR_CAMERAS = (2, 3)

#: Where the archive of the depth selection puts its labelled part.
SELECTION_FOLDER = "depth_selection/val_selection_cropped"
#: Under the data folder, in the order tried; "" is the folder itself.
IMAGE_FOLDERS = ("", "kitti_raw", "raw", SELECTION_FOLDER)
#: The annotated depth comes in two archives, and Eigen's lists take from both.
ANNOTATED_FOLDER = "data_depth_annotated"
DEPTH_FOLDERS = (
    "",
    ANNOTATED_FOLDER,
    f"{ANNOTATED_FOLDER}/train",
    f"{ANNOTATED_FOLDER}/val",
    "train",
    "val",
    SELECTION_FOLDER,
)


def find_image(root: Path, relative: Path) -> Path | None:
    """The image that a split calls `relative`, under `root`; as JPEG too, as many keep KITTI."""
    return first_file(root, IMAGE_FOLDERS, spellings(relative, IMAGE_SUFFIXES))


def find_depth(root: Path, relative: GroundTruth) -> GroundTruth | None:
    """The ground truth that a split calls `relative`, under `root`; scans lie by the images."""
    if isinstance(relative, LidarScan):
        scan = first_file(root, IMAGE_FOLDERS, spellings(relative.path))
        return None if scan is None else replace(relative, path=scan)
    return first_file(root, DEPTH_FOLDERS, spellings(relative))
