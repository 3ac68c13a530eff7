"""Any other PyTorch network, to be measured beside ours on the same image."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.float32 import float32_means_float32


def load_baseline(name: str) -> nn.Module:
    """The network that `module:callable` is or returns.

    Modules are found as by `python3 -m`: the current folder's too.

    Raises:
        HmaDepthError: there is no such callable, it fails, or it returns something else.

    """
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:  # which a console script leaves out
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # foreign code fails as it pleases
        raise HmaDepthError(
            f"--baseline {name}: {_reason(error)}; expected module:callable"
        ) from error
    try:
        network = found if isinstance(found, nn.Module) else found()
    except (Exception, SystemExit) as error:
        raise HmaDepthError(f"--baseline {name} cannot be made: {_reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise HmaDepthError(f"--baseline {name} returned {type(network).__name__}, not a Module")
    return network


#: Ways to run a baseline on CUDA beside fp32: what PyTorch does by itself, and half precision.
ON_CUDA = ("TF32", "fp16")


def baseline_call(
    name: str, image: Tensor, preprocessing: Preprocessing, *, how: str = "fp32"
) -> Callable[[], object]:
    """A forward pass of a baseline, normalisation included, that has been made once.

    Args:
        name: see `load_baseline`; the network takes normalised images (B, 3, H, W).
        image: uint8 (B, 3, H, W), on the device to run on.
        preprocessing: the normalisation.
        how: fp32, without TF32 as ours is; or one of `ON_CUDA`, fp16 being autocast's.

    Raises:
        HmaDepthError: as `load_baseline`, or the network does not take the image.

    """
    network = load_baseline(name).eval().to(image.device)
    mean, std = preprocessing.mean_and_std(image.device)

    @torch.inference_mode()
    def call() -> None:
        with ExitStack() as stack:
            if how == "fp16":
                stack.enter_context(torch.autocast(image.device.type, dtype=torch.float16))
            elif how == "fp32" and image.device.type == "cuda":
                stack.enter_context(float32_means_float32(tuned=False))
            network((image.float() - mean) / std)

    try:
        call()
    except Exception as error:
        shape = tuple(image.shape)
        raise HmaDepthError(
            f"--baseline {name} does not run on a normalised image of shape {shape}: "
            f"{_reason(error)}"
        ) from error
    return call


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
