"""Silences of a bag: a week between two drives, or a clock that was set while recording."""

from __future__ import annotations

import numpy as np

from hma_depth_ros.bags.storage.storage_file import Stamps

#: Seconds without any message from which a replay does not wait for the next one.
LONGEST = 60.0
#: Seconds that it waits instead, so that subscribers are done with what was before.
SHORTENED = 1.0


def span_without_silence(stamps: Stamps, *, longest: float = LONGEST) -> float:
    """Seconds from the first message to the last, each silence longer than `longest` shortened.

    Args:
        stamps: nanoseconds, sorted.
        longest: seconds.

    """
    steps = np.diff(stamps) / 1e9
    return float(np.where(steps > longest, SHORTENED, steps).sum())
