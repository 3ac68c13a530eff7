"""A network recorded once for each input size and replayed: no launch of single kernels."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hma_depth_ros.inference.float32 import float32_means_float32
from hma_depth_ros.network.model import ScaleMaps

_LOG = logging.getLogger(__name__)

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
    """Calls `model` by CUDA graphs; the maps it gives are overwritten by the next call.

    That is why recordings of several sizes can share their memory: only one is ever in use.
    """

    def __init__(self, model: Callable[[Tensor, Tensor | None], ScaleMaps]) -> None:
        self._model = model
        self._recordings: OrderedDict[object, _Recording] = OrderedDict()
        self._stream: torch.cuda.Stream | None = None
        self._gave_up = False

    def __call__(self, image: Tensor, planes: Tensor | None) -> ScaleMaps:
        """Maps of an image (B, 3, H, W) on a CUDA device, of whatever type `model` takes.

        And of the camera's maps (B, C, H, W), of a model that takes them.

        A model that cannot be recorded is called as it is from then on, with one warning.
        """
        key = (image.dtype, *image.shape)
        if key in self._recordings:
            self._recordings.move_to_end(key)
        elif self._gave_up or not self._add(key, image, planes):
            return self._model(image, planes)
        recording = self._recordings[key]
        recording.image.copy_(image)
        if recording.planes is not None and planes is not None:
            recording.planes.copy_(planes)
        recording.graph.replay()
        return recording.maps

    def forget(self) -> None:
        """Drop all recordings, and give their memory back."""
        self._recordings.clear()
        torch.cuda.empty_cache()

    def _add(self, key: object, image: Tensor, planes: Tensor | None) -> bool:
        if len(self._recordings) == KEPT_SIZES:
            self._recordings.popitem(last=False)
        try:
            self._recordings[key] = self._record(image, planes)
        except RuntimeError as error:  # no memory, or an operation that cannot be recorded
            self._gave_up = True
            self.forget()
            reason = (str(error).strip().splitlines() or [repr(error)])[0]
            _LOG.warning(
                "the network cannot be recorded as a CUDA graph (%s); its kernels are launched one "
                "by one instead, which takes longer",
                reason,
            )
        return not self._gave_up

    def _record(self, image: Tensor, planes: Tensor | None) -> _Recording:
        # All of it on one stream of the image's own device. Without `stream`, PyTorch would record
        # on one of the device that came first in this process: of another one the graph is empty.
        with torch.cuda.device(image.device), float32_means_float32(tuned=True):
            if self._stream is None:
                self._stream = torch.cuda.Stream(image.device)
            side, caller = self._stream, torch.cuda.current_stream(image.device)
            side.wait_stream(caller)
            # The outer one of the two streams' contexts ends rightly also when recording fails.
            with torch.cuda.stream(side):
                static = torch.empty_like(image, memory_format=torch.channels_last)
                static.copy_(image)
                beside = None if planes is None else planes.clone()
                for _ in range(WARM_UPS):
                    self._model(static, beside)
                graph = torch.cuda.CUDAGraph()
                # thread_local: other threads of the process may use CUDA while this one records.
                with torch.cuda.graph(
                    graph, pool=self._pool(), stream=side, capture_error_mode="thread_local"
                ):
                    maps = self._model(static, beside)
            caller.wait_stream(side)
        return _Recording(graph, static, beside, maps)

    def _pool(self) -> Any:
        """Memory of the recordings that there are, as PyTorch names it; None for the first."""
        recordings = self._recordings.values()
        return next((recording.graph.pool() for recording in recordings), None)
