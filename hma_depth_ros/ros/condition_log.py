"""Log a condition when it begins or changes, not at every frame."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable

#: Seconds for which a problem must have stayed away to be logged again: a stream with some bad
#: frames among the good ones is one condition.
QUIET_SECONDS = 10.0

#: Figures in a message change from frame to frame, such as the bytes of a broken JPEG.
_FIGURES = re.compile(r"\d+")


class ConditionLog:
    """Keeps the current problem of each topic or subject, and logs only what is new."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}
        self._last_seen: dict[tuple[str, str], float] = {}

    def problem(self, subject: str, message: str) -> None:
        """Set the subject's current problem, and log it unless it has just been logged."""
        with self._lock:
            self._current[subject] = message
        self._log_new(subject, message, QUIET_SECONDS)

    def mention(self, subject: str, message: str) -> None:
        """Log the first time only, however long ago that was; it is no problem of the subject's."""
        self._log_new(subject, message, math.inf)

    def _log_new(self, subject: str, message: str, patience: float) -> None:
        kind = (subject, _FIGURES.sub("#", message))
        now = time.monotonic()
        with self._lock:
            new = now - self._last_seen.get(kind, -math.inf) >= patience
            self._last_seen[kind] = now
        if new:
            self._log(f"{subject}: {message}")

    def solved(self, subject: str) -> bool:
        """Forget the subject's problem; say whether it had one."""
        with self._lock:
            return self._current.pop(subject, None) is not None

    def clear(self) -> None:
        """Forget every problem."""
        with self._lock:
            self._current.clear()

    def problems(self) -> list[str]:
        """Every current problem in one sentence."""
        with self._lock:
            return [f"{subject}: {message}" for subject, message in self._current.items()]
