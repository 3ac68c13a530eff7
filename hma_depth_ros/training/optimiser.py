"""AdamW on the parameters that are trained."""

from __future__ import annotations

import torch
from torch import nn

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.network.model import HmaDepth
from hma_depth_ros.training.run_config import OptimiserSection


def freeze_stem(model: HmaDepth) -> None:
    """Leave the encoder's first convolution and its normalisations' weights as they are (BTS).

    The normalisations' running statistics follow the data nevertheless.
    """
    modules = list(model.encoder.backbone.modules())
    first = next(module for module in modules if isinstance(module, nn.Conv2d))
    norms = [module for module in modules if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for module in (first, *norms):
        module.requires_grad_(requires_grad=False)


def freeze_all_but_uncertainty(model: HmaDepth) -> None:
    """Leave every weight but those of the module that estimates the error.

    Raises:
        HmaDepthError: the model has none.

    """
    head = model.decoder.uncertainty_head
    if head is None:
        raise HmaDepthError(
            "optimiser.only_uncertainty trains the estimate of the error, and the model has none; "
            "set model.uncertainty=true"
        )
    model.requires_grad_(requires_grad=False)
    head.requires_grad_()


def freeze_statistics(model: nn.Module) -> None:
    """Let batch normalisation use its running statistics and leave them; after `model.train()`."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def make_optimiser(model: HmaDepth, settings: OptimiserSection) -> torch.optim.AdamW:
    """AdamW with weight decay on the encoder alone; on CUDA in one kernel, for a model there.

    Its first group is the encoder's, its second the decoder's.
    """
    groups = [(model.encoder, settings.weight_decay), (model.decoder, 0.0)]
    return torch.optim.AdamW(
        [
            {
                "params": [p for p in part.parameters() if p.requires_grad],
                "weight_decay": weight_decay,
            }
            for part, weight_decay in groups
        ],
        lr=settings.learning_rate,
        eps=settings.adam_epsilon,
        fused=next(model.parameters()).device.type == "cuda",
    )


def set_learning_rate(
    optimiser: torch.optim.Optimizer, rate: float, settings: OptimiserSection
) -> None:
    """Of the decoder, and the encoder's share of it, for one of `make_optimiser`'s."""
    encoder, decoder = optimiser.param_groups
    encoder["lr"], decoder["lr"] = rate * settings.encoder_share, rate
