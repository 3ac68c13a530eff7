"""NYU Depth v2 as BTS extracts it: SCENE/rgb_N.jpg and SCENE/sync_depth_N.png in millimetres."""

from __future__ import annotations

from pathlib import Path

#: Stored units in a metre.
UNITS_PER_METRE = 1000.0

#: Under the data folder, in the order tried; "" is the folder itself.
FOLDERS = ("", "official_splits/test", "test", "sync")


def find_file(root: Path, relative: Path) -> Path | None:
    """Image or ground truth that a split calls `relative`, under `root`."""
    # Some of BTS's lists begin their paths with a slash.
    inside = relative.relative_to("/") if relative.is_absolute() else relative
    candidates = (root / folder / inside for folder in FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def frame_name(path: Path) -> str:
    """SCENE_rgb_N, as BTS names predictions, of SCENE/rgb_N.jpg or of a prediction."""
    if path.stem.startswith("rgb_") and path.parent.name:
        return f"{path.parent.name}_{path.stem}"
    if path.stem.startswith("sync_depth_") and path.parent.name:
        return f"{path.parent.name}_rgb_{path.stem.removeprefix('sync_depth_')}"
    return path.stem
