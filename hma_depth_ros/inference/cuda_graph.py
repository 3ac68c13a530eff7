"""A network recorded once for each input size and replayed: no launch of single kernels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hma_depth_ros.network.model import ScaleMaps

#: Sizes whose recordings are kept: cameras of one node rarely have more; each holds its memory.
KEPT_SIZES = 4
#: Eager passes before recording, in which cuDNN chooses its kernels and allocates work space.
WARM_UPS = 3


@dataclass
class _Recording:
    graph: torch.cuda.CUDAGraph
    image: Tensor  #: the recording reads here
    planes: Tensor | None  #: and here
    maps: ScaleMaps  #: and writes here


class CapturedModel:
    """Calls `model` by CUDA graphs; the maps it gives are overwritten by the next call."""

    def __init__(self, model: Callable[[Tensor, Tensor | None], ScaleMaps]) -> None:
        self.model = model
        self._recordings: OrderedDict[tuple[int, ...], _Recording] = OrderedDict()

    def __call__(self, image: Tensor, planes: Tensor | None) -> ScaleMaps:
        """Maps of a normalised image (B, 3, H, W) and the camera's maps on a CUDA device."""
        key = tuple(image.shape)
        if key in self._recordings:
            self._recordings.move_to_end(key)
        else:
            if len(self._recordings) == KEPT_SIZES:
                self._recordings.popitem(last=False)
            self._recordings[key] = self._record(image, planes)
        recording = self._recordings[key]
        recording.image.copy_(image)
        if recording.planes is not None and planes is not None:
            recording.planes.copy_(planes)
        recording.graph.replay()
        return recording.maps

    def _record(self, image: Tensor, planes: Tensor | None) -> _Recording:
        with torch.cuda.device(image.device):
            static = image.clone(memory_format=torch.channels_last)
            beside = None if planes is None else planes.clone()
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    self.model(static, beside)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # thread_local: other threads of the process may use CUDA while this one records.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                maps = self.model(static, beside)
        return _Recording(graph, static, beside, maps)
