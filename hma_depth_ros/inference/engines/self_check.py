"""Does the chosen engine say what the network says? Compared with fp32 PyTorch on one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from hma_depth_ros.inference.camera_input import camera_input
from hma_depth_ros.inference.engines.engine import Engine
from hma_depth_ros.inference.plan import plan_input
from hma_depth_ros.inference.self_check_image import self_check_image
from hma_depth_ros.network.checkpoint import CheckpointInfo

#: Largest acceptable median relative deviation of the depth, by precision. fp32 on CUDA may take
#: other convolution algorithms; the half types have 8 (bf16) and 11 (fp16) bits of mantissa.
#: int8 was judged by its error on given frames when it was exported (evaluation/int8_export.py).
TOLERANCES = {"fp32": 1e-3, "bf16": 5e-3, "fp16": 5e-3, "int8": 3e-2}

#: Pixels of the frame that an exported file keeps the depths of, along each axis.
GRID = 24


@dataclass(frozen=True)
class SelfCheck:
    """Outcome of the comparison."""

    deviation: float  #: median of |d - d_ref| / d_ref over the pixels
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the engine may be used; with a deviation of NaN it may not."""
        return self.deviation <= self.tolerance


def check_size_for(input_width: int | None) -> tuple[int, int]:
    """(h, w) of the network's input for the bundled frame."""
    height, width = self_check_image().shape[:2]
    return plan_input((height, width), input_width=input_width).network_size


def frame_image(size: tuple[int, int]) -> Tensor:
    """The bundled frame as uint8 (1, 3, h, w)."""
    frame = torch.from_numpy(self_check_image()).permute(2, 0, 1)[None].float()
    frame = F.interpolate(frame, size=size, mode="bilinear", align_corners=False, antialias=True)
    return frame.round().to(torch.uint8)


def frame_depth(
    engine: Engine, size: tuple[int, int], info: CheckpointInfo
) -> npt.NDArray[np.float32]:
    """Depth (h, w) in metres of the bundled frame at `size`, for the training focal length."""
    with torch.inference_mode():
        planes = camera_input(info, size)
        depth = engine(frame_image(size).to(engine.device), planes).depth()[0, 0]
    return np.asarray(depth.float().cpu().numpy())


def grid_of(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """GRID x GRID pixels of a map (h, w), spread over all of it."""
    rows, columns = (np.linspace(0, length - 1, GRID).round().astype(int) for length in depth.shape)
    return depth[np.ix_(rows, columns)]


def compare(
    found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], precision: str
) -> SelfCheck:
    """Judge depths by the reference's, against the limit of a precision."""
    deviation = float(np.median(np.abs(found - expected) / expected))
    return SelfCheck(deviation, TOLERANCES[precision])
