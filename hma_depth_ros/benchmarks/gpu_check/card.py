"""The ceilings of a device: what copies and matrix products reach, and what a launch costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from hma_depth_ros.benchmarks.gpu_check.part_program import part_arguments, write_figures
from hma_depth_ros.network.device import choose_device

_MEBIBYTE = 2**20


def measure_card(device: torch.device) -> dict[str, Any]:
    """Bytes a second of copies, FLOP/s of matrix products by precision, seconds of a launch."""
    on_cuda = device.type == "cuda"
    count = (1024 if on_cuda else 64) * _MEBIBYTE
    source = torch.randint(0, 256, (count,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy_all() -> torch.Tensor:
        return target.copy_(source)

    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if on_cuda else "cpu",
        # Read and written.
        "copy_bytes_per_second": 2 * count / best(copy_all, device),
    }
    if on_cuda:
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "memory_bytes": properties.total_memory,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
        host = torch.empty(256 * _MEBIBYTE, dtype=torch.uint8, pin_memory=True)
        part = source[: host.numel()]
        copies: dict[str, Callable[[], object]] = {
            "to_device": lambda: part.copy_(host, non_blocking=True),
            "to_host": lambda: host.copy_(part, non_blocking=True),
        }
        for name, copy in copies.items():
            found[f"{name}_bytes_per_second"] = host.numel() / best(copy, device)
    small = torch.zeros(1, device=device)
    found["launch_seconds"] = _launch(small, device)
    side = 8192 if on_cuda else 512
    products = {}
    for name, kind, tf32 in (
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("fp16", torch.float16, False),
        ("bf16", torch.bfloat16, False),
    ):
        if tf32 and not on_cuda:
            continue
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a = torch.randn(side, side, device=device).to(kind)
        b = torch.randn(side, side, device=device).to(kind)
        out = torch.empty_like(a)

        def multiply(
            a: torch.Tensor = a, b: torch.Tensor = b, out: torch.Tensor = out
        ) -> torch.Tensor:
            return torch.mm(a, b, out=out)

        products[name] = 2 * side**3 / best(multiply, device)
    found["matrix_flops"] = products
    return found


def best(call: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """Seconds of the fastest of some calls, by the device's own clock."""
    times = []
    for _ in range(3):
        call()
    for _ in range(repeats):
        if device.type == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            call()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) / 1e3)
        else:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return min(times)


def _launch(tensor: torch.Tensor, device: torch.device) -> float:
    """Seconds of the host for an operation on next to nothing."""
    count = 1000
    for _ in range(2):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(count):
            tensor.add_(1)
        seconds = time.perf_counter() - start
    return seconds / count


def main() -> None:
    """Measure, and write the figures."""
    arguments = part_arguments(__doc__)
    device = choose_device(arguments.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    found = measure_card(device)
    print(write_figures(arguments.json, found))


if __name__ == "__main__":
    main()
