"""8-bit integers instead of floating point, by NNCF's post-training quantisation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.inference.engines.engine import MissingPackageError
from hma_depth_ros.inference.engines.exported_graph import full_names, scale_names
from hma_depth_ros.network.model_config import ModelConfig

#: Images that the ranges of activations are taken from; NNCF's own choice.
MOST_IMAGES = 300


def import_nncf() -> Any:
    """Import the package.

    Raises:
        MissingPackageError: it is not installed, or does not load.

    """
    try:
        import nncf
    except ImportError as error:
        raise MissingPackageError(
            f"NNCF cannot be used ({error}); precision int8 needs it: pip install nncf"
        ) from error
    logging.getLogger("nncf").setLevel(logging.WARNING)
    return nncf


def quantise(model: Any, config: ModelConfig, images: Sequence[npt.NDArray[np.uint8]]) -> Any:
    """`openvino.Model` whose convolutions compute in int8, of one with all of the graph's outputs.

    The last convolution of each head, masks and blend stay in floating point: next to no work, and
    a third of the error. Biases are corrected layer by layer with what the layers before have
    become; NNCF's faster way, which looks at each layer alone, leaves 2.6 times the deviation.

    Args:
        model: with full-size outputs and maps of the scales.
        config: of the network.
        images: (1, h, w, 3), multiples of 32; at most `MOST_IMAGES` are used.

    Raises:
        HmaDepthError: NNCF is not there or cannot do it, or there is no image.

    """
    nncf = import_nncf()
    if not images:
        raise HmaDepthError("quantisation needs images")
    scales = [_producer(model, name) for name in scale_names(config)]
    full = [_producer(model, name) for name in full_names(config)]
    heads = [
        node.get_friendly_name()
        for node in model.get_ops()
        if node.get_type_name() == "Convolution"
        and node.output(0).get_partial_shape()[1].get_length() == 1
    ]
    tail = nncf.Subgraph(inputs=scales, outputs=[name for name in full if name not in scales])
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(images),
            subset_size=min(len(images), MOST_IMAGES),
            preset=nncf.QuantizationPreset.MIXED,
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(names=heads, subgraphs=[tail] if tail.outputs else []),
        )
    except Exception as error:  # it raises whatever it pleases
        raise HmaDepthError(f"NNCF cannot quantise this model: {error}") from error


def _producer(model: Any, output: str) -> str:
    """Name of the node that computes an output."""
    return str(model.output(output).get_node().input_value(0).get_node().get_friendly_name())
