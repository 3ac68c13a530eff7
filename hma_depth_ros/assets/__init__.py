"""Files that come with the package: default checkpoint, frame of the self-check, DDS profiles."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hma_depth_ros.errors import HmaDepthError


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
