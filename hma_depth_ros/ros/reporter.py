"""Log a condition when it begins, changes or ends, not at every frame."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Reporter:
    """Keeps the current problem of each topic or subject, and logs only what is new."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}

    def problem(self, subject: str, message: str) -> None:
        """Log `message` unless it is the subject's current problem already."""
        with self._lock:
            known = self._current.get(subject) == message
            self._current[subject] = message
        if not known:
            self._log(f"{subject}: {message}")

    def solved(self, subject: str) -> None:
        """Forget the subject's problem: the next one is logged again."""
        with self._lock:
            self._current.pop(subject, None)

    def problems(self) -> list[str]:
        """Every current problem in one sentence."""
        with self._lock:
            return [f"{subject}: {message}" for subject, message in self._current.items()]
