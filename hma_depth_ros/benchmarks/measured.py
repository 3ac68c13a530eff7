"""Wall-clock and CPU time of a number of items."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Items, and the time that they took together."""

    items: int
    seconds: float  #: of the clock
    cpu_seconds: float  #: of this process and of children that have ended, all threads

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def cpu_milliseconds(self) -> float:
        """Of one item."""
        return 1e3 * self.cpu_seconds / self.items


def consume(items: Iterable[int], *, seconds: float) -> Measured:
    """Take counts from an iterable until the time is over; stop, and close it.

    Worker processes must have ended when the iterable is closed for their CPU time to count.
    """
    start, cpu, count = time.perf_counter(), _cpu(), 0
    iterator = iter(items)
    for item in iterator:
        count += item
        if time.perf_counter() - start >= seconds:
            break
    elapsed = time.perf_counter() - start
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
    return Measured(count, elapsed, _cpu() - cpu)


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
