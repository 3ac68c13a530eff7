"""What the rows of the ablations' table change: one setting each, from one preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # their names are choices of `ablate`, whose --help needs no more
    from hma_depth_ros.training.run_config import TrainConfig


@dataclass(frozen=True)
class Variant:
    """A row of the table."""

    key: str  #: of its folder
    name: str
    change: Callable[[TrainConfig], TrainConfig]


def _scales(count: Literal[3, 4, 5]) -> Callable[[TrainConfig], TrainConfig]:
    return lambda c: replace(c, model=replace(c.model, scales=count, attention=True))


#: Gradient of eq. 6 over that of ten times its root, sqrt(eq. 6) / 5, where BTS's loss is 2.
EQ6_GRADIENT = 0.04


def _eq6(config: TrainConfig) -> TrainConfig:
    """With what is compared with gradients as much smaller as they are.

    AdamW's steps would else be smaller too, and the ablation one of the learning rate.
    """
    optimiser, norm = config.optimiser, config.optimiser.gradient_norm
    own = replace(
        optimiser,
        adam_epsilon=optimiser.adam_epsilon * EQ6_GRADIENT,
        gradient_norm=None if norm is None else norm * EQ6_GRADIENT,
    )
    return replace(_scales(4)(config), loss=replace(config.loss, form="eq6"), optimiser=own)


VARIANTS = (
    Variant("scales_4", "4 scales, attention (the paper's)", _scales(4)),
    Variant("scales_3", "3 scales, attention", _scales(3)),
    Variant("scales_5", "5 scales, attention", _scales(5)),
    Variant(
        "no_attention",
        "4 scales, fused by a convolution",
        lambda c: replace(c, model=replace(c.model, scales=4, attention=False)),
    ),
    Variant(
        "eq6",
        "4 scales, attention, eq. 6 without the root",
        _eq6,
    ),
)
