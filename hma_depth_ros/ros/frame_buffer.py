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

    def close(self) -> None:
        """Wake every waiting thread and refuse further frames."""
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
            frame, self._frame = self._frame, None
        return None if self._closed else frame

    def close(self) -> None:
        """Wake the taker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class FrameQueue(Generic[T]):
    """Room for a few frames in order; `put` waits for room, so that none is lost.

    The waiting subscription leaves further frames with the middleware, which holds a reliable
    publisher back in turn.
    """

    def __init__(self, capacity: int = 2) -> None:
        self._changed = threading.Condition()
        self._frames: deque[T] = deque()
        self._capacity = capacity
        self._closed = False

    def put(self, frame: T) -> bool:
        """Store a frame once there is room; False only after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._frames) < self._capacity)
            if self._closed:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
        return True

    def take(self) -> T | None:
        """Wait for a frame; None after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._frames))
            if self._closed:
                return None
            frame = self._frames.popleft()
            self._changed.notify_all()
        return frame

    def close(self) -> None:
        """Wake both sides."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
