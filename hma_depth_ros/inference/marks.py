"""Points in a device's time, between which stages are measured without waiting for it."""

from __future__ import annotations

import time

import torch


class Mark:
    """Now, by the host's clock or, on CUDA, when the device gets to it."""

    def __init__(self, device: torch.device) -> None:
        self._time = time.perf_counter()
        self._event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record(torch.cuda.current_stream(device))

    def until(self, later: Mark) -> float:
        """Seconds to a later mark, which is waited for."""
        if self._event is None or later._event is None:
            return later._time - self._time
        later._event.synchronize()
        return self._event.elapsed_time(later._event) / 1e3
