"""The network as a plain graph of tensors, which other runtimes take: uint8 in, named maps out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from hma_depth_ros.network.checkpoint import Preprocessing
from hma_depth_ros.network.model import HmaDepth, ScaleMaps
from hma_depth_ros.network.model_config import SIZE_MULTIPLE, UNCERTAINTY_REDUCTION, ModelConfig

INPUT = "image"
CHANNELS = 3
#: The second input of a model with geometry: float32 (B, C, H, W), see `camera_input.py`.
PLANES = "camera_planes"
DEPTH = "depth"
ATTENTION = "attention"
UNCERTAINTY = "uncertainty"

#: Of a graph for any size: batch, and height and width in units of SIZE_MULTIPLE.
_LARGEST_BATCH, _LARGEST_MULTIPLE = 64, 256


def scale_names(config: ModelConfig) -> list[str]:
    """Names of the maps of the scales, depths first, coarse to fine: depth_8, ..., attention_2.

    Last, where the model estimates its error, uncertainty_4.
    """
    attentions = config.reductions[:-1] if config.attention else ()
    return [
        *(f"{DEPTH}_{r}" for r in config.reductions),
        *(f"{ATTENTION}_{r}" for r in attentions),
        *([f"{UNCERTAINTY}_{UNCERTAINTY_REDUCTION}"] if config.uncertainty else []),
    ]


def input_names(config: ModelConfig) -> list[str]:
    """Names of the inputs: the image and, if the model has geometry, the camera's maps."""
    return [INPUT, PLANES] if config.camera_planes else [INPUT]


def full_names(config: ModelConfig) -> list[str]:
    """Names of the outputs of full size: depth and, if there are any, the masks and the error."""
    return [
        DEPTH,
        *([ATTENTION] if config.attention else []),
        *([UNCERTAINTY] if config.uncertainty else []),
    ]


class Graph(nn.Module):
    """RGB image (B, H, W, 3), uint8 -> maps of the scales, preceded by the full ones if asked for.

    Normalisation is part of it. Full ones are depth (B, 1, H, W) in metres for the training focal
    length, masks (B, n, H, W), coarse to fine, and the error of log depth (B, 1, H, W).
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
        self.input_names = input_names(config)
        self.output_names = [*(full_names(config) if full else []), *scale_names(config)]

    def forward(self, image: Tensor, planes: Tensor | None = None) -> tuple[Tensor, ...]:
        """See the class."""
        pixels = image.permute(0, 3, 1, 2).to(torch.float32)
        normalised = ((pixels - self.mean) / self.std).to(self.kind)
        maps: ScaleMaps = self.model(normalised, None if planes is None else planes.to(self.kind))
        outputs = [*maps.depths, *maps.attentions]
        if maps.uncertainty is not None:
            outputs.append(maps.uncertainty)
        if self.full:
            masks = [maps.masks()] if maps.attentions else []
            errors = [maps.full_uncertainty()] if maps.uncertainty is not None else []
            outputs = [maps.depth(), *masks, *errors, *outputs]
        return tuple(outputs)


def trace(graph: Graph, size: tuple[int, int] | None) -> ExportedProgram:
    """Record the graph for any batch and (H, W), or with None for any multiple of 32.

    What a graph for any size cannot have is the padding: its amount would be a part of the graph.
    """
    height, width = size or (2 * SIZE_MULTIPLE, 3 * SIZE_MULTIPLE)
    batch = Dim("batch", min=1, max=_LARGEST_BATCH)
    sides: list[object] = []
    if size is None:
        sides = [SIZE_MULTIPLE * Dim(n, min=1, max=_LARGEST_MULTIPLE) for n in ("rows", "columns")]
    examples = _examples(graph, 2, height, width)
    # Rows and columns are axes 1 and 2 of the image, 2 and 3 of the camera's maps.
    dynamic = tuple(
        {0: batch, **dict(enumerate(sides, first))} for first in (1, 2)[: len(examples)]
    )
    with torch.no_grad():
        return torch.export.export(graph, examples, dynamic_shapes=dynamic)


def _examples(graph: Graph, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    image = torch.zeros((batch, height, width, CHANNELS), dtype=torch.uint8)
    channels = graph.model.config.camera_planes
    return (image, torch.zeros((batch, channels, height, width))) if channels else (image,)


def trace_quickly(graph: Graph) -> ExportedProgram:
    """Record the graph at one size, in a fraction of the time.

    Without padding and full-size maps no size enters the network's graph: a runtime that ignores
    the recorded sizes may run it at any multiple of 32. It must check that (see
    `openvino_conversion.py`).
    """
    examples = _examples(graph, 1, 2 * SIZE_MULTIPLE, 3 * SIZE_MULTIPLE)
    with torch.no_grad():
        return torch.export.export(graph, examples)
