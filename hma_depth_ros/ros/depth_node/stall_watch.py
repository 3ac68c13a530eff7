"""How long the network has not answered, and the workers that are left behind in it.

A call that never returns cannot be ended: Python has no means to end a thread. So it is noticed,
said, and no longer waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

#: How many times as long may take what an engine may compile for, such as the first image of a
#: size: torch.compile and TensorRT take minutes for it.
FIRST_TIMES = 20


C = TypeVar("C")


class LeftBehindError(Exception):
    """The network has answered a worker that nobody waits for any more."""


@dataclass(frozen=True)
class Silence:
    """The network has not answered for longer than it usually may."""

    seconds: float  #: so far
    limit: float  #: beyond which it is stalled

    @property
    def stalled(self) -> bool:
        """Whether not even an engine that compiles explains it."""
        return self.seconds > self.limit

    def __str__(self) -> str:
        """For people."""
        said = f"the network has not answered for {self.seconds:.1f} s"
        if self.stalled:
            return f"{said}, more than {self.limit:g} (by engine_timeout)"
        return f"{said}; it may be compiling for images of a new size, {self.limit:g} s at most"


@dataclass(frozen=True, eq=False)
class _Pass(Generic[C]):
    cameras: Sequence[C]  # whose frames wait for it
    kind: Hashable
    since: float


class StallWatch(Generic[C]):
    """What the workers have in one engine, and in those that take its place."""

    def __init__(self, timeout: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no pass under way.

        Args:
            timeout: seconds that one may take; 0: for ever.
            clock: seconds that only go forward.

        """
        self.timeout = timeout  #: may be changed at any time
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[int, _Pass[C]] = {}  # by thread
        self._left: set[_Pass[C]] = set()
        self._known: set[Hashable] = set()

    @contextmanager
    def passing(self, cameras: Sequence[C], kind: Hashable = None) -> Iterator[None]:
        """Watch this thread while it is in the network.

        Args:
            cameras: whose frames, not accounted for yet, wait for it.
            kind: the first of each kind may take longer; None is always a first one.

        Raises:
            LeftBehindError: `leave` was called meanwhile, and has accounted for the frames.

        """
        this, thread = _Pass(tuple(cameras), kind, self._clock()), threading.get_ident()
        with self._lock:
            self._under_way[thread] = this
        answered = False
        try:
            yield
            answered = True
        finally:
            with self._lock:
                left = this in self._left
                self._left.discard(this)
                if not left:
                    del self._under_way[thread]
                if answered and kind is not None:
                    self._known.add(kind)
            if left:
                raise LeftBehindError

    def leave(self, thread: int | None) -> Sequence[C] | None:
        """Wait no longer for a thread that is in the network.

        Returns:
            The cameras whose frames nobody else will account for; None if it is not there.

        """
        with self._lock:
            this = self._under_way.pop(thread or 0, None)
            if this is None:
                return None
            self._left.add(this)
            return this.cameras

    @property
    def left(self) -> bool:
        """Whether a thread that was left behind is still in the network."""
        with self._lock:
            return bool(self._left)

    def silence(self, camera: C, *, workers: int) -> Silence | None:
        """Say what a camera's frames wait for in vain; None while the network is quick enough.

        Args:
            camera: one of those that were given to `passing`, or another.
            workers: how many there are: one that is free may take the camera's frame.

        """
        if not self.timeout:
            return None
        now = self._clock()
        with self._lock:
            passes = [(one.cameras, self._silence(one, now)) for one in self._under_way.values()]
        slow = [(cameras, one) for cameras, one in passes if one.seconds > self.timeout]
        for cameras, one in slow:
            if camera in cameras:
                return one
        if slow and len(slow) >= workers:
            return min((one for _, one in slow), key=lambda one: (one.stalled, one.seconds))
        return None

    def _silence(self, one: _Pass[C], now: float) -> Silence:
        times = 1 if one.kind in self._known else FIRST_TIMES
        return Silence(now - one.since, times * self.timeout)
