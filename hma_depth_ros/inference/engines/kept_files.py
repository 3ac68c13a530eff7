"""Files that a library keeps for itself in a folder, checked before it finds them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hma_depth_ros.files import atomic_path
from hma_depth_ros.inference.engines.conversion_cache import file_digest
from hma_depth_ros.structured_text import parse_json

_NOTE = "sha256.json"


def drop_changed_files(folder: Path, warn: Callable[[str], object]) -> None:
    """Remove what `note_files` has not seen as it is now: the library makes it again.

    Args:
        folder: private, see `private_folder`.
        warn: told of each file.

    Raises:
        HmaDepthError: a file cannot be read.

    """
    noted = _noted(folder / _NOTE)
    for path in _files(folder):
        if noted.get(path.name) != file_digest(path):
            warn(f"{path} is not what was left there, and is made again")
            path.unlink(missing_ok=True)


def note_files(folder: Path) -> None:
    """Note the digests of all files of a folder.

    Raises:
        HmaDepthError: they cannot be read, or the note not written.

    """
    digests = {path.name: file_digest(path) for path in _files(folder)}
    with atomic_path(folder / _NOTE) as temporary:
        temporary.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")


def _noted(note: Path) -> dict[str, object]:
    """Digests by name; none where there is no note, or a damaged one."""
    try:
        content = parse_json(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.name != _NOTE and not p.name.startswith("."))
