"""Lists of training and test frames in BTS's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError


@dataclass(frozen=True)
class SplitEntry:
    """One frame of a list."""

    image: Path
    depth: Path | None  #: None: the frame has no ground truth
    focal_length: float  #: fx in pixels of the stored image


def read_split(path: Path, root: Path | None = None) -> list[SplitEntry]:
    """Read lines of `image depth focal`, paths relative to `root` (default: the list's folder).

    Raises:
        HmaDepthError: the file is missing, empty or malformed, naming the line.

    """
    root = path.parent if root is None else root
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HmaDepthError(f"cannot read the split {path}: {error}") from error
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            image, depth, focal = line.split()
            entry = SplitEntry(
                root / image, None if depth == "None" else root / depth, float(focal)
            )
        except ValueError:
            raise HmaDepthError(
                f"{path}, line {number}: expected 'image depth focal', found '{line}'"
            ) from None
        entries.append(entry)
    if not entries:
        raise HmaDepthError(f"the split {path} lists no frame")
    return entries
