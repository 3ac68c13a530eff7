"""The frames of an extracted NYU Depth v2 folder, as entries of a list."""

from __future__ import annotations

from pathlib import Path

from hma_depth_ros.data.folder_files import files_below
from hma_depth_ros.data.nyu.layout import FOCAL_LENGTH, find_depth, is_image
from hma_depth_ros.data.splits.listed_path import IMAGE_SUFFIXES
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError


def list_nyu_frames(root: Path) -> list[SplitEntry]:
    """All frames in scene folders at any depth, sorted, with paths relative to `root`.

    Raises:
        HmaDepthError: there is none.

    """
    images = [path for path in files_below(root, IMAGE_SUFFIXES) if is_image(path)]
    if not images:
        raise HmaDepthError(f"{root} has no SCENE/rgb_NNNNN.png or .jpg; see `extract_nyu`")
    entries = []
    for image in images:
        depth = image.with_name(f"sync_depth_{image.stem.removeprefix('rgb_')}.png").relative_to(
            root
        )
        found = depth if find_depth(root, depth) else None
        entries.append(SplitEntry(image.relative_to(root), found, FOCAL_LENGTH))
    return entries
