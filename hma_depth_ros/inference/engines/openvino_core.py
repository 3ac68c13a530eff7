"""OpenVINO and its one core."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hma_depth_ros.inference.engines.engine import MissingPackageError


def import_openvino() -> Any:
    """Import the package.

    Raises:
        MissingPackageError: it is not installed, or does not load.

    """
    try:
        import openvino
    except ImportError as error:
        raise MissingPackageError(
            f"OpenVINO cannot be used ({error}); install it with 'pip install openvino', or use "
            "engine:=torch"
        ) from error
    return openvino


@lru_cache(maxsize=1)
def _core() -> Any:
    return import_openvino().Core()


def openvino_core() -> Any:
    """The `openvino.Core` of this process.

    There is one, for good. The CPU plugin of each core gives the thread that loads it a signal
    stack of its own and takes that away again when it goes. Of two cores whose lives overlap the
    second to go puts the first one's stack back, which is unmapped by then; the next signal with a
    handler (the end of a data loader's worker, for one) kills the process without a word.

    Raises:
        MissingPackageError: OpenVINO is not installed, or does not load.

    """
    import_openvino()  # also where a test has hidden the package after the core was made
    return _core()
