"""All frames of KITTI on disk, as the entries of a list: how lists of one's own are made.

Two layouts: the raw recordings with annotated depth beside them (`kitti_layout`), which synthetic
drives have too, and the folders of the depth selection (KITTI depth development kit)::

    val_selection_cropped/image/2011_09_26_drive_0002_sync_image_0000000005_image_02.png
    val_selection_cropped/groundtruth_depth/..._sync_groundtruth_depth_0000000005_image_02.png
    val_selection_cropped/intrinsics/..._sync_image_0000000005_image_02.txt
    test_depth_prediction_anonymous/image/0000000000.png (and intrinsics; no ground truth)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import Source
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.folder_files import files_in, folders_in
from hma_depth_ros.data.image_file import size_of_any
from hma_depth_ros.data.kitti.calibration import CAMERAS_FILE, read_cameras
from hma_depth_ros.data.kitti.drive import KittiDrive
from hma_depth_ros.data.kitti.layout import IMAGE_FOLDERS, find_depth
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.data.text_file import read_text
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.geometry.camera import Intrinsics

_DAY = re.compile(r"\d{4}_\d\d_\d\d")
_DRIVE = re.compile(rf"{_DAY.pattern}_drive_.*_sync")


def is_selection(root: Path) -> bool:
    """Whether a folder is one of the depth selection."""
    return (root / "image").is_dir() and (root / "intrinsics").is_dir()


def list_frames(
    root: Path, *, cameras: Sequence[int] = (2,), source: Source = "annotated"
) -> list[SplitEntry]:
    """List every image under `root`, in either layout, with paths as `kitti_layout` finds them.

    Depth is None where a frame has none, and the focal length that of the image as stored.

    Raises:
        HmaDepthError: there is none; a calibration is missing or damaged; the selection is asked
            for scans, which it does not have.

    """
    if is_selection(root):
        if source == "lidar":
            raise HmaDepthError(f"{root} is a depth selection, which has no velodyne scans")
        entries = [entry for camera in cameras for entry in _selected(root, camera)]
    else:
        entries = [
            entry
            for drive in _drives(root)
            for camera in cameras
            for entry in _of_drive(root, drive, camera, source)
        ]
    if not entries:
        raise HmaDepthError(
            f"no image of camera {' or '.join(map(str, cameras))} under {root}: neither drives "
            "(2011_09_26/2011_09_26_drive_0001_sync, or the same in kitti_raw) nor a depth "
            "selection (image and intrinsics); `check_dataset --split FILE` says what to download"
        )
    return entries


def intrinsics_of(image: Path) -> Path:
    """File of a selected image's intrinsics."""
    return image.parent.parent / "intrinsics" / f"{image.stem}.txt"


def read_intrinsics(path: Path) -> Intrinsics:
    """The camera, in pixels, of the nine numbers of K.

    Raises:
        HmaDepthError: the file is missing or something else.

    """
    try:
        values = [float(word) for word in read_text(path, "the intrinsics").split()]
    except ValueError as error:
        raise HmaDepthError(f"cannot read the intrinsics {path}: {error}") from error
    try:
        fx, _, cx, _, fy, cy, _, _, _ = values
        return Intrinsics(fx, fy, cx, cy)
    except ValueError:
        raise HmaDepthError(f"{path} does not hold the nine numbers of a camera matrix") from None


def _drives(root: Path) -> list[KittiDrive]:
    """Drives by name; of one that is there twice the one that `kitti_layout` finds first."""
    found: dict[str, Path] = {}
    for folder in IMAGE_FOLDERS:
        for day in folders_in(root / folder, _DAY):
            for path in folders_in(day, _DRIVE):
                found.setdefault(path.name, path)
    return [KittiDrive(path) for _, path in sorted(found.items())]


def _of_drive(root: Path, drive: KittiDrive, camera: int, source: Source) -> Iterator[SplitEntry]:
    files = drive.images(camera).files
    if not files:
        return
    focal_length = _focal_length(drive.calibration_folder, camera, files.values())
    day = drive.folder.parent.parent
    for path in files.values():
        image = path.relative_to(day)
        if source == "lidar":
            scan = LidarScan.of_image(image)
            depth = scan if find_depth(root, scan) else None
            yield SplitEntry(image, depth, focal_length)
        else:
            truth = Path(drive.name, "proj_depth", "groundtruth", image.parts[-3])
            listed = truth / f"{path.stem}.png"
            yield SplitEntry(image, listed if find_depth(root, listed) else None, focal_length)


def _focal_length(day: Path, camera: int, images: Iterable[Path]) -> float:
    """Of the images as stored, which may be smaller than KITTI's."""
    cameras = read_cameras(day / CAMERAS_FILE)
    if camera not in cameras:
        raise HmaDepthError(f"{day / CAMERAS_FILE} has no camera {camera}")
    official = cameras[camera].rectified
    return official.fx * size_of_any(images)[0] / official.width


def _selected(root: Path, camera: int) -> Iterator[SplitEntry]:
    for path in files_in(root / "image", (".png",)):
        number = re.search(r"_image_0(\d)$", path.stem)
        if number and int(number[1]) != camera:
            continue
        name = path.name.replace("_sync_image_", "_sync_groundtruth_depth_")
        depth = Path("groundtruth_depth", name)
        labelled = number is not None and find_depth(root, depth) is not None
        yield SplitEntry(
            path.relative_to(root),
            depth if labelled else None,
            read_intrinsics(intrinsics_of(path)).fx,
        )
