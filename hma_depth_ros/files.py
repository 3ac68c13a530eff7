"""Writing files so that a crash, a full disk or kill -9 never leaves half of one; their names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.signals import undivided

#: Characters of a name, of four bytes at most, where 255 bytes are allowed.
_KEPT = 40


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without error.

    The suffix is kept, since many writers choose the format by it, and some of the name; with all
    of it a long one would no longer be a name. The data reach the disk before
    the rename, so that after a power cut either the old file or the whole new one is there.

    Raises:
        HmaDepthError: the file cannot be written (no permission, disk full), naming it.

    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with undivided():
            handle, name = tempfile.mkstemp(
                prefix=f".{path.stem[:_KEPT]}.", suffix=f".part{path.suffix}", dir=path.parent
            )
            temporary = Path(name)
            os.close(handle)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise HmaDepthError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with undivided():
                temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(
    *, prefix: str, suffix: str = "", beside: Path | None = None
) -> Iterator[Path]:
    """Yield a folder that is gone after the block, however that ends.

    Args:
        prefix: of its name.
        suffix: of its name.
        beside: folder in which it is to be; None takes that for temporary files.

    """
    folder: Path | None = None
    try:
        with undivided():
            folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=beside))
        yield folder
    finally:
        if folder is not None:
            with undivided():
                shutil.rmtree(folder, ignore_errors=True)


def as_given(path: Path) -> Path:
    """Absolute path with its links kept: their names may say what is behind them.

    `.` is the folder as the shell calls it (PWD), also where that is a link. What stands before a
    `..` is resolved, since that leads out of the link's target.
    """
    here = Path.cwd()
    shells = Path(os.environ.get("PWD", ""))
    if shells.is_absolute() and shells.exists() and shells.samefile(here):
        here = shells
    parts = (here / path.expanduser()).parts
    if ".." not in parts:
        return Path(*parts)
    after = len(parts) - parts[::-1].index("..")
    return Path(*parts[:after]).resolve().joinpath(*parts[after:])


def shown(path: Path | str) -> str:
    """A path for people: with a mark for bytes that are not UTF-8, which no text can hold."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def check_writable(path: Path) -> None:
    """See that `path` can be written, before work of minutes whose result goes there.

    Raises:
        HmaDepthError: it is a folder, or its folder cannot be written.

    """
    if path.is_dir():
        raise HmaDepthError(f"cannot write {path}: it is a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise HmaDepthError(f"cannot write {path}: {error.strerror}") from error


def short_paths(paths: Sequence[str]) -> dict[str, str]:
    """Of each path its last parts, as few as tell them all apart: no folders of this machine."""
    parts = {path: Path(path).resolve().parts for path in paths}
    tails = dict.fromkeys(parts, 1)
    while True:
        names = {path: "/".join(parts[path][-count:]) for path, count in tails.items()}
        again = [p for p, n in names.items() if list(names.values()).count(n) > 1]
        longer = [path for path in again if tails[path] < len(parts[path])]
        if not longer:
            return names
        for path in longer:
            tails[path] += 1
