"""Weights for the encoder from a file: ImageNet's on a machine without a network.

timm's and torchvision's classifiers have them, in a `.safetensors` file; so has a checkpoint of
this package, of another model with the same encoder. What torch.save has written (`.pth`, `.bin`)
is not opened: PyTorch's loader of plain tensors could be made to run code (CVE-2025-32434).
"""

from __future__ import annotations

import re
from pathlib import Path

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
#: What makes a `.safetensors` file of one of torch.save's, where that is trusted.
_CONVERSION = (
    'python3 -c "import sys, torch, safetensors.torch as s; s.save_file({n: t.contiguous() '
    'for n, t in torch.load(sys.argv[1], weights_only=True).items()}, sys.argv[2])" '
    "IN.pth OUT.safetensors"
)


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
        found = load_file(path)
    except Exception as error:  # safetensors and torch raise many kinds
        kind = known_kind(path)
        if kind and kind.startswith("a pickle"):
            raise HmaDepthError(
                f"{path} is {kind.partition(':')[0]}, which is not opened here; where it comes "
                f"from somebody you trust with your machine, convert it: {_CONVERSION}"
            ) from error
        reason = f"is {kind}" if kind else f"cannot be read as weights: {_first_line(error)}"
        raise HmaDepthError(f"{path} {reason}") from error
    if not found:
        raise HmaDepthError(f"{path} holds no weights")
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


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
