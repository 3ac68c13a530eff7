"""What is done when the network fails in one image after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hma_depth_ros.inference.engines.engine_memory import is_out_of_memory

#: Images in a row that fail before the next measure is taken.
PATIENCE = 3
#: Images in a row that succeed after which all measures may be taken again.
HEALED = 100


@dataclass(frozen=True)
class Measure:
    """One thing that may help."""

    words: str  #: what it is, for people
    take: Callable[[str], object]  #: is given the reason; may raise anything
    gives_memory: bool = False  #: whether it can help where memory is missing


class EngineRecovery:
    """Takes one measure after the other, in a thread that the network runs in.

    Several may; what one of them began before a measure is no failure of what came of it.
    """

    def __init__(self, measures: Sequence[Measure], *, warn: Callable[[str], object]) -> None:
        """Begin with an engine that works.

        Args:
            measures: in the order in which they are taken.
            warn: is told what is done.

        """
        self._measures, self._warn = measures, warn
        self._next = 0
        self._failures = self._successes = 0  # in a row
        self._lock = threading.Lock()
        self.attempt = 0  #: number of the measures that were taken; to be noted before an image
        self.given_up = ""  #: why nothing is tried any more; empty while the engine is in use

    def works(self) -> None:
        """Note an image that the network has passed."""
        with self._lock:
            self._failures = 0
            self._successes += 1
            if self._successes >= HEALED:
                self._next = 0

    def failed(self, error: BaseException, attempt: int) -> None:
        """Note one at which it has raised, and do something about it if there were enough.

        Args:
            error: what it has raised.
            attempt: as it was when the image was begun.

        """
        with self._lock:
            if attempt == self.attempt and not self.given_up:
                self._note(error)

    def _note(self, error: BaseException) -> None:
        self._successes = 0
        self._failures += 1
        # Missing memory will be missing for the next image, too.
        memory = is_out_of_memory(error)
        if self._failures < PATIENCE and not memory:
            return
        images = "an image" if self._failures == 1 else f"{self._failures} images in a row"
        reason = f"the network has failed in {images}, the last time with {described(error)}"
        while self._next < len(self._measures):
            measure = self._measures[self._next]
            self._next += 1
            if memory and not measure.gives_memory:
                continue
            self._warn(f"{reason}: {measure.words}")
            try:
                measure.take(reason)
            except Exception as problem:  # what is broken may break in any way
                self._warn(f"{measure.words}: that has failed, too, with {described(problem)}")
                continue
            self._failures = 0
            self.attempt += 1
            return
        self.given_up = reason


def described(error: BaseException) -> str:
    """One line of an error of anybody's."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
