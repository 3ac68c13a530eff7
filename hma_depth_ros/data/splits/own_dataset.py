"""Folders that `bag_to_dataset` made of a car's bags."""

from __future__ import annotations

from pathlib import Path

#: In such a folder: what was found of its frames, and the frames of each bag.
REPORT, JOURNALS = "report.json", "frames"


def is_own_dataset(folder: Path) -> bool:
    """Whether a folder is one: its frames are no KITTI's, and of another size and camera."""
    return (folder / REPORT).is_file() and (folder / JOURNALS).is_dir()
