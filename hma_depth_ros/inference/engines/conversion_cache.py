"""Converted models on disk, so that a conversion of seconds happens once for each checkpoint.

What lies there is run as it is. So it lies where nobody but the user can write, and each entry has
the digest of what it holds, for damage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hma_depth_ros import __version__
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path
from hma_depth_ros.private_cache import VARIABLE, private_cache

_DIGEST = "sha256"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        HmaDepthError: it cannot be read.

    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise HmaDepthError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def cached(
    source: str,
    kind: str,
    convert: Callable[[], dict[str, bytes]],
    warn: Callable[[str], object],
) -> dict[str, bytes]:
    """Parts of the converted model: from the cache, or converted and put there.

    Args:
        source: `file_digest` of what is converted; its content counts, not its name.
        kind: of the result, with the version of the runtime that it is for.
        convert: does it.
        warn: told of an entry that cannot be used, and of a folder that cannot be written or that
            others can write into; all of it only costs time.

    """
    not_kept = f"the conversion is not kept (set {VARIABLE} to a folder of your own)"
    try:
        entry = private_cache() / f"{source[:32]}-{kind}-{__version__}.safetensors"
    except HmaDepthError as error:
        warn(f"{error}; the conversion is not kept")
        return convert()
    try:
        if entry.exists():
            return _read(entry)
    except (SafetensorError, OSError, ValueError) as error:
        warn(f"the cached conversion {entry} cannot be used ({error}); converting again")
    parts = convert()
    try:
        _write(entry, parts)
    except HmaDepthError as error:
        warn(f"{error}; {not_kept}")
    return parts


def _digest(parts: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(parts[name])
    return digest.hexdigest()


def _write(entry: Path, parts: dict[str, bytes]) -> None:
    arrays = {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}
    with atomic_path(entry) as temporary:
        try:
            save_file(arrays, temporary, metadata={_DIGEST: _digest(parts)})
        except SafetensorError as error:  # a full disk, for one
            raise HmaDepthError(f"cannot write {entry}: {error}") from error


def _read(entry: Path) -> dict[str, bytes]:
    with safe_open(entry, framework="np") as file:
        parts = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
        if (file.metadata() or {}).get(_DIGEST) != _digest(parts):
            raise ValueError("its checksum is wrong")
    return parts
