"""Files that come with the package: default checkpoint, frame of the self-check, DDS profiles."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError

#: The default checkpoint's file, and what it is called where a file could be named:
#: `model.weights`, and `--checkpoint` of the commands that compare several.
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


def named_checkpoint(name: str | Path) -> Path:
    """The default checkpoint for the name `BUNDLED`, else the file of that name, there or not.

    Raises:
        HmaDepthError: the installation lacks the default one.

    """
    return asset(CHECKPOINT) if str(name) == BUNDLED else Path(name)
