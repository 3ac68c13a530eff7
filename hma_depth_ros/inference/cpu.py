"""What the CPU is."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu_name() -> str:
    """`cpu` and, where Linux tells, its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"cpu {names[0] if names else platform.machine()}"
