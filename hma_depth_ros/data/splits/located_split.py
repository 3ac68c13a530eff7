"""A list's entries with the files they stand for under a data folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hma_depth_ros.data.depth.ground_truth import Source
from hma_depth_ros.data.splits.dataset_layout import KITTI, Layout
from hma_depth_ros.data.splits.known_splits import eigen_test_drives_in
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split, with_source
from hma_depth_ros.errors import HmaDepthError


@dataclass(frozen=True)
class LocatedEntry:
    """An entry of a list and what of it was found; None: not there, or not named."""

    listed: SplitEntry  #: with paths as in the list
    found: SplitEntry | None  #: with paths of files; None: the image is not there
    lacks_depth: bool = False  #: the list names ground truth that is not there


def locate(root: Path, entry: SplitEntry, layout: Layout = KITTI) -> LocatedEntry:
    """Look for an entry's files under the folder that a data set was unpacked into."""
    image = layout.find_image(root, entry.image)
    depth = None if entry.depth is None else layout.find_depth(root, entry.depth)
    found = None if image is None else replace(entry, image=image, depth=depth)
    return LocatedEntry(entry, found, lacks_depth=entry.depth is not None and depth is None)


def read_training_split(
    path: Path,
    root: Path | None = None,
    *,
    source: Source = "annotated",
    allow_test_scenes: bool = False,
    layout: Layout = KITTI,
) -> list[SplitEntry]:
    """Read a list to train on, and refuse one that would spoil hours of work or their result.

    Args:
        path: the list.
        root: folder that its files lie under (default: the list's own).
        source: of the ground truth.
        allow_test_scenes: whether drives of Eigen's test list may be trained on.
        layout: of the data set.

    Returns:
        Entries with the paths of files that are there.

    Raises:
        HmaDepthError: the list cannot be read, takes frames from one of the 28 test drives, has
            frames without ground truth, or files are missing.

    """
    entries = with_source(read_split(path, Path()), source)
    if not allow_test_scenes and (drives := eigen_test_drives_in(entries)):
        raise HmaDepthError(
            f"{path} trains on {len(drives)} of the 28 drives of Eigen's test list "
            f"({_first(drives)}); figures on that list would be worthless; leave them out, or "
            "say --allow-test-scenes"
        )
    if unlabelled := [str(entry.image) for entry in entries if entry.depth is None]:
        raise HmaDepthError(
            f"{path} lists {len(unlabelled)} of {len(entries)} frames without ground truth "
            f"(None), which cannot be trained on: {_first(unlabelled)}"
        )
    return _all_located(path, entries, root, layout)


def read_located_split(
    path: Path, root: Path | None = None, *, layout: Layout = KITTI
) -> list[SplitEntry]:
    """Entries of a list with the paths of files that are there; depth may be `None`.

    Raises:
        HmaDepthError: the list cannot be read, or files are missing.

    """
    return _all_located(path, read_split(path, Path()), root, layout)


def _all_located(
    path: Path, entries: list[SplitEntry], root: Path | None, layout: Layout
) -> list[SplitEntry]:
    root = path.parent if root is None else root
    located = [locate(root, entry, layout) for entry in entries]
    missing = [
        str(item.listed.image if item.found is None else item.listed.depth)
        for item in located
        if item.found is None or item.lacks_depth
    ]
    if missing:
        raise HmaDepthError(
            f"{path}: files of {len(missing)} of {len(entries)} frames are not under {root}: "
            f"{_first(missing)}; `check_dataset` says more"
        )
    return [item.found for item in located if item.found is not None]


def _first(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first
