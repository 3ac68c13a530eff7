"""Does the chosen engine say what the network says? Compared with fp32 PyTorch on one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hma_depth_ros.inference.bundled import self_check_image
from hma_depth_ros.inference.engine import Engine
from hma_depth_ros.inference.predictor import DepthPredictor
from hma_depth_ros.inference.torch_engine import TorchEngine
from hma_depth_ros.network.checkpoint import load_checkpoint

#: Largest acceptable median relative deviation of the depth, by precision. fp32 on CUDA may take
#: other convolution algorithms; the half types have 8 (bf16) and 11 (fp16) bits of mantissa.
TOLERANCES = {"fp32": 1e-3, "bf16": 5e-3, "fp16": 5e-3}


@dataclass(frozen=True)
class SelfCheck:
    """Outcome of the comparison."""

    deviation: float  #: median of |d - d_ref| / d_ref over the pixels
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the engine may be used; with a deviation of NaN it may not."""
        return self.deviation <= self.tolerance


def self_check(engine: Engine, checkpoint: Path) -> SelfCheck:
    """Compare an engine with the fp32 PyTorch model of its checkpoint, on the bundled frame."""
    model, info = load_checkpoint(checkpoint)
    reference = TorchEngine(model, info.preprocessing, device=torch.device("cpu"), precision="fp32")
    image = self_check_image()
    expected = DepthPredictor(reference, info).predict(image, outputs={"depth"}).depth
    found = DepthPredictor(engine, info).predict(image, outputs={"depth"}).depth
    assert expected is not None
    assert found is not None
    deviation = float(np.median(np.abs(found - expected) / expected))
    return SelfCheck(deviation, TOLERANCES[engine.precision])
