"""Where a path of a list may lie under a data folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path


def candidates(root: Path, folders: Sequence[str], listed: Path) -> Iterator[Path]:
    """Files that a list may mean by `listed`, in the order to try; `folders` are those under root.

    A path that begins with a slash is absolute, or else, as in some of BTS's lists, under `root`
    all the same.
    """
    if listed.is_absolute():
        yield listed
        listed = listed.relative_to(listed.anchor)
    yield from (root / folder / listed for folder in folders)
