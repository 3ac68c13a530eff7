"""The frames of an extracted NYU Depth v2 folder, as entries of a list."""

from __future__ import annotations

from pathlib import Path

from hma_depth_ros.data.nyu_layout import FOCAL_LENGTH, is_image
from hma_depth_ros.data.split import SplitEntry
from hma_depth_ros.errors import HmaDepthError


def list_nyu_frames(root: Path) -> list[SplitEntry]:
    """All frames in scene folders at any depth, sorted, with paths relative to `root`.

    Raises:
        HmaDepthError: there is none.

    """
    images = sorted(
        path for path in root.rglob("rgb_*") if is_image(path) and path.suffix in {".png", ".jpg"}
    )
    if not images:
        raise HmaDepthError(f"{root} has no SCENE/rgb_NNNNN.png or .jpg; see `extract_nyu`")
    entries = []
    for image in images:
        depth = image.with_name(f"sync_depth_{image.stem.removeprefix('rgb_')}.png")
        found = depth.relative_to(root) if depth.is_file() else None
        entries.append(SplitEntry(image.relative_to(root), found, FOCAL_LENGTH))
    return entries
