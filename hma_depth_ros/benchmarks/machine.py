"""What a measurement was made on, for its report."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from hma_depth_ros import __version__
from hma_depth_ros.network.cpu import cpu_name

_PACKAGES = ("torch", "openvino", "onnxruntime", "onnxruntime-gpu", "timm", "numpy")


def machine() -> dict[str, Any]:
    """CPU, the cores that this process may use, GPUs, and versions of what computes."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        "python": platform.python_version(),
        "versions": {"hma_depth_ros": __version__, **_installed()},
    }


def _installed() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
