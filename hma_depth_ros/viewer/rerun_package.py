"""rerun-sdk, an extra: the library that writes recordings, and the viewer's program beside it."""

from __future__ import annotations

from typing import Any

from hma_depth_ros.inference.engines.engine import MissingPackageError


def import_rerun() -> Any:
    """Import the package.

    Raises:
        MissingPackageError: it is not installed, or does not load.

    """
    try:
        import rerun
        import rerun.blueprint
    except ImportError as error:
        raise MissingPackageError(
            f"Rerun cannot be used ({error}); install it with 'pip install rerun-sdk'"
        ) from error
    return rerun
