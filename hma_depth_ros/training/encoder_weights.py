"""Weights for the encoder from a file: ImageNet's on a machine without a network.

timm's and torchvision's files of a classifier have them, `.safetensors`, `.pth` or `.bin`; so has a
checkpoint of this package, of another model with the same encoder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.file_kind import known_kind
from hma_depth_ros.network.model import HmaDepth

#: Of `model.weights`: what follows is the file.
PREFIX = "encoder:"

#: What files of training scripts put before the names of layers.
_BEFORE = re.compile(r"^(?:module\.|model\.|backbone\.)+")
#: torchvision's DenseNets write `denselayer1.norm.1` for `denselayer1.norm1`.
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
#: In torch before it, the loader of plain tensors could be made to run code (CVE-2025-32434).
_SAFE_TORCH = (2, 6)


def load_encoder_weights(model: HmaDepth, path: Path) -> None:
    """Give the encoder the weights of a file, which must have each of its layers.

    Raises:
        HmaDepthError: the file cannot be read, or is of another encoder.

    """
    stored = _read(path)
    backbone, encoder = model.encoder.backbone, model.config.encoder
    own = "encoder.backbone."
    if any(name.startswith(own) for name in stored):
        stored = {n.removeprefix(own): t for n, t in stored.items() if n.startswith(own)}
        found = _fitting(stored, backbone, path, encoder)
        backbone.load_state_dict({**backbone.state_dict(), **found})
        return
    classifier = timm.create_model(encoder)
    names = {_DENSE_LAYER.sub(r"\1\2", _BEFORE.sub("", n)): t for n, t in stored.items()}
    fitting = _fitting(names, classifier, path, encoder, besides=_last_layers(classifier))
    whole = {**classifier.state_dict(), **fitting}
    if not whole.keys() >= backbone.state_dict().keys():
        # timm names the layers of some networks for features in other ways, and knows which.
        whole = timm.create_model(
            encoder,
            pretrained=True,
            features_only=True,
            pretrained_cfg_overlay={"state_dict": whole},
        ).state_dict()
    backbone.load_state_dict({name: whole[name] for name in backbone.state_dict()})


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by name.

    Raises:
        HmaDepthError: it cannot be read, or holds something else.

    """
    if not path.is_file():
        raise HmaDepthError(f"model.weights={PREFIX}{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            if _torch_version() < _SAFE_TORCH:
                raise HmaDepthError(
                    f"{path} is not safe to open with PyTorch {torch.__version__}: take a "
                    ".safetensors file, or PyTorch 2.6 and up"
                )
            content = torch.load(path, map_location="cpu", weights_only=True)  # tensors, no code
    except HmaDepthError:
        raise
    except Exception as error:  # torch raises whatever its file formats do
        kind = known_kind(path) if path.suffix == ".safetensors" or _is_text(path) else None
        reason = f"is {kind}" if kind else f"cannot be read as weights: {_first_line(error)}"
        raise HmaDepthError(f"{path} {reason}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = content.items() if isinstance(content, dict) else ()
    found = {str(name): t for name, t in tensors if isinstance(t, Tensor)}
    if not found:
        raise HmaDepthError(f"{path} holds no weights by name (a state dict)")
    return found


def _fitting(
    stored: dict[str, Tensor],
    module: nn.Module,
    path: Path,
    encoder: str,
    *,
    besides: tuple[str, ...] = (),
) -> dict[str, Tensor]:
    """Those that the module has, all of them but for `besides`, in the module's types.

    Raises:
        HmaDepthError: one is missing, of another shape, or not finite.

    """
    wanted = {n: t for n, t in module.state_dict().items() if not n.startswith(besides)}
    # Files of 2017 and before have no counts of batches, by which nothing is computed.
    lacking = [n for n in wanted if n not in stored and not n.endswith("num_batches_tracked")]
    other = [n for n, t in wanted.items() if n in stored and stored[n].shape != t.shape]
    # A deeper network of the same kind has all layers of this one, learnt with more between them.
    parts = {name.partition(".")[0] for name in wanted}
    more = [n for n in stored if n.partition(".")[0] in parts and n not in module.state_dict()]
    if lacking or other or more:
        name = (lacking or other or more)[0]
        what = f"no '{name}'" if lacking else f"'{name}' as {tuple(stored[name].shape)}"
        raise HmaDepthError(
            f"{path} holds the weights of another network than {encoder}: it has {what}; "
            f"{len(lacking) + len(other) + len(more)} tensors do not fit"
        )
    fitting = {n: stored[n].to(t.dtype) for n, t in wanted.items() if n in stored}
    broken = [n for n, t in fitting.items() if not bool(torch.isfinite(t).all())]
    if broken:
        raise HmaDepthError(f"{path}: weights are not finite, the first in '{broken[0]}'")
    return fitting


def _last_layers(classifier: nn.Module) -> tuple[str, ...]:
    """Beginnings of the names of layers that a network for features does not have."""
    names = getattr(classifier, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _torch_version() -> tuple[int, int]:
    major, minor = torch.__version__.split(".")[:2]
    return int(major), int(minor)


def _is_text(path: Path) -> bool:
    """Whether a file that is no pickle and no archive pretends to be one."""
    with path.open("rb") as file:
        return not file.read(4).startswith((b"PK", b"\x80"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
