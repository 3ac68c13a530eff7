"""What the CPU is."""

from __future__ import annotations

import platform
from pathlib import Path

#: Instructions that multiply bf16 at more than the rate of fp32, as Linux calls them (x86, ARM).
_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


def cpu_name() -> str:
    """`cpu` and, where Linux tells, its name."""
    return f"cpu {_first('model name') or platform.machine()}"


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16; False where Linux does not tell."""
    features = f"{_first('flags')} {_first('Features')}"
    return not _BF16.isdisjoint(features.split())


def _first(key: str) -> str:
    """The first core's value of a line of /proc/cpuinfo; empty if there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")
