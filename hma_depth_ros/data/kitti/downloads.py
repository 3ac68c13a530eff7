"""Which of KITTI's archives hold the files that are missing, and where to unpack them.

Source: the download pages of the KITTI Vision Benchmark Suite (raw data; depth prediction).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import GroundTruth
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.frame_name import kitti_frame
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE
from hma_depth_ros.data.kitti.layout import (
    ANNOTATED_FOLDER,
    IMAGE_FOLDERS,
    SELECTION_FOLDER,
    SYNTHETIC_DRIVES,
)

RAW_PAGE = "https://www.cvlibs.net/datasets/kitti/raw_data.php"
DEPTH_PAGE = "https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_prediction"
_FILES = "https://s3.eu-central-1.amazonaws.com/avg-kitti"

_DRIVE_FOLDER = re.compile(r"\d{4}_\d\d_\d\d_drive_\d{4}_sync")


@dataclass(frozen=True, order=True)
class Archive:
    """A file to download, and the folder in which `unzip` makes its files found."""

    url: str
    unpack_in: Path


def raw_folder(root: Path) -> Path:
    """Where the days lie under a data folder, or should if there are none yet."""
    with_days = (root / folder for folder in IMAGE_FOLDERS)
    found = next((folder for folder in with_days if any(folder.glob("20[0-9][0-9]_*"))), None)
    return root / "kitti_raw" if found is None else found


def archives_of(
    root: Path,
    *,
    images: Iterable[Path] = (),
    truths: Iterable[GroundTruth] = (),
    scans: Iterable[LidarScan] = (),
) -> list[Archive]:
    """Archives that hold what is missing, each once, in order of their names.

    With every drive comes its day's calibration, where that is missing too. Files that are not
    named as KITTI names them, and synthetic drives, are in no archive.

    Args:
        root: the data folder.
        images: that are missing, with paths as in a list.
        truths: that are missing, likewise.
        scans: that are there; they need a calibration.

    """
    needed: set[Archive] = set()
    for image in images:
        needed |= _of_file(root, image)
    for truth in truths:
        needed |= _of_file(root, truth.path if isinstance(truth, LidarScan) else truth)
    for scan in scans:
        needed |= _calibration(root, _day(scan.path))
    return sorted(needed)


def _of_file(root: Path, path: Path) -> set[Archive]:
    if path.parent.name in {"image", "groundtruth_depth"} and kitti_frame(path):
        inside = root.as_posix().endswith(SELECTION_FOLDER)
        unpack_in = root.parent.parent if inside else root
        return {Archive(f"{_FILES}/data_depth_selection.zip", unpack_in)}
    drive = _drive(path)
    if drive is None or int(drive.split("_")[4]) in SYNTHETIC_DRIVES:
        return set()
    if "proj_depth" in path.parts:
        return {Archive(f"{_FILES}/data_depth_annotated.zip", root / ANNOTATED_FOLDER)}
    url = f"{_FILES}/raw_data/{drive.removesuffix('_sync')}/{drive}.zip"
    return {Archive(url, raw_folder(root))} | _calibration(root, _day(path))


def _calibration(root: Path, day: str | None) -> set[Archive]:
    folder = raw_folder(root)
    if day is None or (folder / day / CAMERAS_FILE).is_file():
        return set()
    return {Archive(f"{_FILES}/raw_data/{day}_calib.zip", folder)}


def _drive(path: Path) -> str | None:
    """Drive of a file in KITTI's folders; a scan's path tells it like an image's."""
    parts = [part for part in path.parts if _DRIVE_FOLDER.fullmatch(part)]
    return parts[-1] if parts else None


def _day(path: Path) -> str | None:
    drive = _drive(path)
    return None if drive is None else drive.partition("_drive_")[0]
