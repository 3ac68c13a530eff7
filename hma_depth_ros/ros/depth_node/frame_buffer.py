"""Between the subscription, which only stores, and the one worker that infers."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class FrameBuffer(Protocol[T]):
    """Hand-over of frames from one thread to another."""

    def put(self, frame: T) -> bool:
        """Store a frame; False if one was lost for it."""
        ...

    def take(self) -> T | None:
        """Wait for a frame; None after `close`."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `take` would not wait."""
        ...

    def close(self) -> int:
        """Wake the taker for the last time; return how many stored frames it will not get."""
        ...


class LatestFrame(Generic[T]):
    """Room for one frame: a newer one replaces it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: T | None = None
        self._closed = False

    def put(self, frame: T) -> bool:
        """Store a frame in place of one not yet taken; False if there was one."""
        with self._changed:
            replaced = self._frame is not None
            self._frame = frame
            self._changed.notify()
        return not replaced

    def take(self) -> T | None:
        """Wait for a frame; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frame is not None)
            if self._closed:
                return None
            frame, self._frame = self._frame, None
        return frame

    @property
    def ready(self) -> bool:
        """Whether `take` would not wait."""
        with self._changed:
            return self._closed or self._frame is not None

    def close(self) -> int:
        """Wake the taker; return 1 if a frame was left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            return int(self._frame is not None)


class FrameQueue(Generic[T]):
    """Room for all frames, in order.

    A `put` that waited for room would stop the executor, and with it the calibration that the
    first frame may be waiting for. Nor would it hold a publisher back: a reliable DDS reader goes
    on acknowledging what its node does not take.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: deque[T] = deque()
        self._closed = False

    def put(self, frame: T) -> bool:
        """Store a frame; none is ever lost for it."""
        with self._changed:
            self._frames.append(frame)
            self._changed.notify()
        return True

    def take(self) -> T | None:
        """Wait for a frame; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._frames))
            if self._closed:
                return None
            return self._frames.popleft()

    @property
    def ready(self) -> bool:
        """Whether `take` would not wait."""
        with self._changed:
            return self._closed or bool(self._frames)

    def close(self) -> int:
        """Wake the taker; return how many frames were left."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            return len(self._frames)
