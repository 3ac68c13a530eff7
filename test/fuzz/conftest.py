"""How long Hypothesis looks: in CI the same few examples each time, `make fuzz` as long as told."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: Examples of each test; those of CI are always the same ones.
EXAMPLES = int(os.environ.get("HMA_DEPTH_FUZZ_EXAMPLES", "0"))

_COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": False,
}
settings.register_profile("ci", max_examples=12, derandomize=True, **_COMMON)  # type: ignore[arg-type]
settings.register_profile("long", max_examples=EXAMPLES or 1, **_COMMON)  # type: ignore[arg-type]
settings.load_profile("long" if EXAMPLES else "ci")
