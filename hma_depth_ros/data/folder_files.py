"""The files of a folder that are data, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

#: Folder that macOS puts into archives, with the companions of all their files.
_COMPANIONS = "__MACOSX"
#: What every file system of Linux has at its root, and only root may read.
_SYSTEMS = "lost+found"


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of a folder with one of the suffixes, in small letters or capitals; sorted.

    Not what is hidden, such as the companions that macOS leaves on foreign disks, ._NAME.png.
    Empty where there is no such folder.

    Raises:
        HmaDepthError: the folder may not be read.

    """
    return [path for path in _inside(folder) if path.suffix.lower() in suffixes]


def folders_in(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """Folders in a folder, and links to some, whose whole name fits; sorted, likewise.

    Raises:
        HmaDepthError: the folder may not be read.

    """
    return [path for path in _inside(folder) if name.fullmatch(path.name) and path.is_dir()]


def _inside(folder: Path) -> list[Path]:
    """What is not hidden; nothing where there is no such folder."""
    try:
        return sorted(path for path in folder.iterdir() if not _hidden(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _cannot_read(folder, error) from error


def files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """As `files_in`, of the folder and all below it, also where a link leads to one.

    Each folder once, by the path without links if there is one.

    Raises:
        HmaDepthError: a folder may not be read.

    """
    return sorted(path for below in _folders(folder) for path in files_in(below, suffixes))


def _folders(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    direct: list[Path] = [folder]
    links: list[Path] = []
    while direct or links:
        current = direct.pop() if direct else links.pop(0)
        try:
            status = current.stat()
            identity = status.st_dev, status.st_ino
            if identity in seen:
                continue
            seen.add(identity)
            inside = sorted(path for path in current.iterdir() if path.is_dir())
        except OSError as error:
            raise _cannot_read(current, error) from error
        yield current
        for path in inside:
            if not _hidden(path) and path.name not in (_COMPANIONS, _SYSTEMS):
                (links if path.is_symlink() else direct).append(path)


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _cannot_read(folder: Path, error: OSError) -> HmaDepthError:
    return HmaDepthError(f"cannot read the folder {folder}: {error.strerror}")
