"""Files that come with the package: default checkpoint, frame of the self-check, DDS profiles."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

#: The default checkpoint's file, and what it is called wherever a checkpoint is named: arguments,
#: `model.weights`, the node's parameter.
CHECKPOINT, BUNDLED = "hma_depth_mobile.safetensors", "bundled"


def asset(name: str) -> Path:
    """Path of a bundled file.

    Raises:
        HmaDepthError: the installation lacks it.

    """
    # Installed as plain files (zip_safe=False), so the resource is a path.
    path = Path(str(files(__name__) / name))
    if not path.is_file():
        raise HmaDepthError(f"the installation lacks {path}; install the package again")
    return path


@lru_cache(maxsize=1)
def default_checkpoint() -> Path:
    """Checkpoint that is used where none is named, compared with its checksum once.

    Raises:
        HmaDepthError: the installation lacks it, or it is not the one that was packaged.

    """
    path = asset(CHECKPOINT)
    expected, _, _ = asset(f"{path.name}.sha256").read_text(encoding="ascii").partition(" ")
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise HmaDepthError(
            f"{path} is damaged (SHA-256 {found}, not {expected}); install the package again"
        )
    return path


def named_checkpoint(name: str | Path) -> Path:
    """The default checkpoint for the name `BUNDLED`, else the file of that name, there or not.

    Raises:
        HmaDepthError: the installation lacks the default one, or has a damaged one.

    """
    return default_checkpoint() if str(name) == BUNDLED else Path(name)
