"""Batch normalisation folded into the convolution before it: the same function, fewer passes."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.network.model_config import SIZE_MULTIPLE

#: Relative difference up to which two ways to compute the same in float32 are equal.
TOLERANCE = 1e-3


def zero_planes(model: HmaDepth, image: Tensor) -> Tensor | None:
    """Maps of the camera, all zero, to go with an image (B, 3, H, W); None for a model without."""
    channels = model.config.camera_planes
    size = (image.shape[0], channels, *image.shape[2:])
    return image.new_zeros(size) if channels else None


def fold_batch_norm(model: HmaDepth) -> HmaDepth:
    """Copy of a model in eval mode whose normalisations are part of their convolutions.

    Which belong together is seen in one forward pass: a normalisation whose input is the very
    tensor that a convolution gave. (torch.fx would read it off the code, but cannot trace a forward
    pass whose padding depends on the size.) Others, such as DenseNet's, which come before their
    convolution, stay as they are. Some encoder might use a convolution's output a second time,
    outside of modules, where nobody sees it: should the copy not give what the model gives, nothing
    is folded.
    """
    model = copy.deepcopy(model).eval()
    weight = next(model.parameters())
    noise = torch.Generator().manual_seed(0)
    size = (1, 3, 2 * SIZE_MULTIPLE, 2 * SIZE_MULTIPLE)
    example = torch.randn(size, generator=noise).to(weight)
    folded = copy.deepcopy(model)
    for name, norm_name in _pairs(folded, example):
        convolution, norm = folded.get_submodule(name), folded.get_submodule(norm_name)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        _replace(folded, name, fuse_conv_bn_eval(convolution, norm))
        _replace(folded, norm_name, _activation(norm))
    with torch.no_grad():
        planes = zero_planes(model, example)
        expected, found = model(example, planes).depths, folded(example, planes).depths
    same = all(
        torch.allclose(a, b, rtol=TOLERANCE, atol=0) for a, b in zip(expected, found, strict=True)
    )
    return folded if same else model


def _pairs(model: HmaDepth, example: Tensor) -> list[tuple[str, str]]:
    """Names of convolutions and of the normalisations that take their output."""
    outputs: dict[int, tuple[str, Tensor]] = {}  # by identity; held, so that none is reused
    takers: dict[str, list[str]] = {}
    calls: dict[str, int] = {}
    handles = []

    def after(name: str, module: nn.Module, output: object) -> None:
        calls[name] = calls.get(name, 0) + 1
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor):
            outputs[id(output)] = (name, output)

    def before(name: str, module: nn.Module, inputs: tuple[object, ...]) -> None:
        if not list(module.children()) or isinstance(module, nn.BatchNorm2d):
            for value in inputs:
                if id(value) in outputs:
                    takers.setdefault(outputs[id(value)][0], []).append(name)

    for name, module in model.named_modules():
        handles += [
            module.register_forward_pre_hook(lambda m, x, n=name: before(n, m, x)),
            module.register_forward_hook(lambda m, _, y, n=name: after(n, m, y)),
        ]
    with torch.no_grad():
        model(example, zero_planes(model, example))
    for handle in handles:
        handle.remove()
    return [
        (name, users[0])
        for name, users in takers.items()
        if len(users) == 1
        and calls[name] == calls[users[0]] == 1
        and isinstance(model.get_submodule(users[0]), nn.BatchNorm2d)
    ]


def _activation(norm: nn.BatchNorm2d) -> nn.Module:
    """What is left of a normalisation; timm's carry an activation with them."""
    activation = getattr(norm, "act", None)
    return nn.Identity() if activation is None else activation


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
