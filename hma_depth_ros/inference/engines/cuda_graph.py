"""A network recorded once for each input size and replayed: no launch of single kernels."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hma_depth_ros.network.float32 import float32_means_float32
from hma_depth_ros.network.model import ScaleMaps

_LOG = logging.getLogger(__name__)

#: Sizes whose recordings are kept, of which each number of images has one: a rig of four cameras of
#: two sizes has eight. They share their memory but for the inputs.
KEPT_SIZES = 16
#: Eager passes before recording, in which cuDNN chooses its kernels and allocates work space.
WARM_UPS = 3


@dataclass
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]  #: the recording reads here
    maps: ScaleMaps  #: and writes here


class CapturedModel:
    """Calls `model` by CUDA graphs; the maps it gives are overwritten by the next call.

    That is why recordings of several sizes can share their memory: only one is ever in use.
    """

    def __init__(self, model: Callable[..., ScaleMaps], *, tuned: bool = True) -> None:
        """`tuned` has cuDNN try its algorithms before a recording, which takes seconds."""
        self._model, self._tuned = model, tuned
        self._recordings: OrderedDict[object, _Recording] = OrderedDict()
        self._stream: torch.cuda.Stream | None = None
        self._gave_up = False

    def __call__(self, image: Tensor, *beside: Tensor) -> ScaleMaps:
        """Maps of an image (B, 3, H, W) on a CUDA device and whatever else `model` takes.

        A model that cannot be recorded is called as it is from then on, with one warning.
        """
        key = (image.dtype, *image.shape)
        if key in self._recordings:
            self._recordings.move_to_end(key)
        elif self._gave_up or not self._add(key, (image, *beside)):
            return self._model(image, *beside)
        recording = self._recordings[key]
        for static, given in zip(recording.inputs, (image, *beside), strict=True):
            static.copy_(given)
        recording.graph.replay()
        return recording.maps

    def forget(self) -> None:
        """Drop all recordings, and give their memory back."""
        self._recordings.clear()
        torch.cuda.empty_cache()

    def _add(self, key: object, inputs: tuple[Tensor, ...]) -> bool:
        if len(self._recordings) == KEPT_SIZES:
            self._recordings.popitem(last=False)
        try:
            self._recordings[key] = self._record(inputs)
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

    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        # All of it on one stream of the image's own device. Without `stream`, PyTorch would record
        # on one of the device that came first in this process: of another one the graph is empty.
        device = inputs[0].device
        with torch.cuda.device(device), float32_means_float32(tuned=self._tuned):
            if self._stream is None:
                self._stream = torch.cuda.Stream(device)
            side, caller = self._stream, torch.cuda.current_stream(device)
            side.wait_stream(caller)
            # The outer one of the two streams' contexts ends rightly also when recording fails.
            with torch.cuda.stream(side):
                static = tuple(t.clone(memory_format=torch.channels_last) for t in inputs)
                for _ in range(WARM_UPS):
                    self._model(*static)
                graph, pool = torch.cuda.CUDAGraph(), self._pool()
                try:
                    # thread_local: other threads may use CUDA while this one records.
                    with torch.cuda.graph(
                        graph, pool=pool, stream=side, capture_error_mode="thread_local"
                    ):
                        maps = self._model(*static)
                except RuntimeError:
                    _renew_generator(device)
                    raise
            caller.wait_stream(side)
        return _Recording(graph, static, maps)

    def _pool(self) -> Any:
        """Memory of the recordings that there are, as PyTorch names it; a new one for the first."""
        for recording in self._recordings.values():
            return recording.graph.pool()
        return torch.cuda.graph_pool_handle()


def _renew_generator(device: torch.device) -> None:
    """Give the device's default generator of random numbers a state that no recording knows.

    PyTorch (2.11) leaves the old one in the belief that a failed recording is still under way:
    whoever drew a random number on the device would get "Offset increment outside graph capture".
    """
    generator = torch.cuda.default_generators[device.index]
    fresh = torch.Generator(device)
    fresh.manual_seed(generator.initial_seed())
    generator.graphsafe_set_state(fresh.graphsafe_get_state())
