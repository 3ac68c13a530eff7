"""Where torch.compile keeps the code that it has made."""

from __future__ import annotations

import os

from hma_depth_ros.private_cache import private_cache

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def keep_kernels_private() -> None:
    """Have torch.compile keep its code in the package's cache, unless the user has chosen a folder.

    By default that is /tmp/torchinductor_USER, also where somebody else has made that folder
    before, and what lies there is loaded and run. To be called before the first compilation.

    Raises:
        HmaDepthError: the cache is not the user's alone.

    """
    if not os.environ.get(_VARIABLE):
        os.environ[_VARIABLE] = str(private_cache("torch_compile"))
