"""The network as a plain graph of tensors, which other runtimes take: uint8 in, named maps out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.config import ModelConfig
from hma_depth_ros.network.model import SIZE_MULTIPLE, HmaDepth, ScaleMaps

INPUT = "image"
CHANNELS = 3
DEPTH = "depth"
ATTENTION = "attention"

#: Of a graph for any size: batch, and height and width in units of SIZE_MULTIPLE.
_LARGEST_BATCH, _LARGEST_MULTIPLE = 64, 256


def scale_names(config: ModelConfig) -> list[str]:
    """Names of the maps of the scales, depths first, coarse to fine: depth_8, ..., attention_2."""
    attentions = config.reductions[:-1] if config.attention else ()
    return [f"{DEPTH}_{r}" for r in config.reductions] + [f"{ATTENTION}_{r}" for r in attentions]


def full_names(config: ModelConfig) -> list[str]:
    """Names of the outputs of full size: depth and, if there are any, the masks."""
    return [DEPTH, ATTENTION] if config.attention else [DEPTH]


class Graph(nn.Module):
    """RGB image (B, H, W, 3), uint8 -> maps of the scales, preceded by the full ones if asked for.

    Normalisation is part of it. Full ones are depth (B, 1, H, W) in metres for the training focal
    length, and masks (B, n, H, W), coarse to fine.
    """

    def __init__(
        self,
        model: HmaDepth,
        preprocessing: Preprocessing,
        *,
        full: bool,
        half: bool = False,
    ) -> None:
        """Wrap `model`; `half` computes in float16 up to the sigmoids, for GPUs."""
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.kind = torch.float16 if half else torch.float32
        self.model = model.eval().to(self.kind)
        self.full = full
        mean, std = preprocessing.mean_and_std(torch.device("cpu"))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        config = model.config
        self.output_names = [*(full_names(config) if full else []), *scale_names(config)]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32)
        maps: ScaleMaps = self.model(((pixels - self.mean) / self.std).to(self.kind))
        outputs = [*maps.depths, *maps.attentions]
        if self.full:
            outputs = [maps.depth(), *([maps.masks()] if maps.attentions else []), *outputs]
        return tuple(outputs)


def trace(graph: Graph, size: tuple[int, int] | None) -> ExportedProgram:
    """Record the graph for any batch and (H, W), or with None for any multiple of 32.

    What a graph for any size cannot have is the padding: its amount would be a part of the graph.
    """
    height, width = size or (2 * SIZE_MULTIPLE, 3 * SIZE_MULTIPLE)
    example = torch.zeros((2, height, width, CHANNELS), dtype=torch.uint8)
    dimensions: dict[int, object] = {0: Dim("batch", min=1, max=_LARGEST_BATCH)}
    if size is None:
        for axis, name in ((1, "rows"), (2, "columns")):
            dimensions[axis] = SIZE_MULTIPLE * Dim(name, min=1, max=_LARGEST_MULTIPLE)
    with torch.no_grad():
        return torch.export.export(graph, (example,), dynamic_shapes=(dimensions,))


def trace_quickly(graph: Graph) -> ExportedProgram:
    """Record the graph at one size, in a fraction of the time.

    Without padding and full-size maps no size enters the network's graph: a runtime that ignores
    the recorded sizes may run it at any multiple of 32. It must check that (see
    `openvino_conversion.py`).
    """
    example = torch.zeros((1, 2 * SIZE_MULTIPLE, 3 * SIZE_MULTIPLE, CHANNELS), dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(graph, (example,))
