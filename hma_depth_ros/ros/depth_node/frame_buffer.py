"""Between the subscriptions, which only store, and the workers that infer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class FrameBuffer(Generic[K, T]):
    """Frames of several cameras on their way from one thread to another.

    Of each camera the latest frame waits: a newer one replaces it. Or all of them wait, in order:
    a `put` that waited for room would stop the executor, and with it the calibration that the first
    frame may be waiting for. Nor would it hold a publisher back: a reliable DDS reader goes on
    acknowledging what its node does not take.

    Several threads may take frames: a camera of which one is under way is passed over until it is
    `done`, so that its frames stay in order.
    """

    def __init__(self, cameras: Sequence[K], *, keep_all: bool) -> None:
        """Be empty.

        Args:
            cameras: names or the like; it is their turn in this order.
            keep_all: whether all frames wait.

        """
        self._changed = threading.Condition()
        self._keep_all = keep_all
        self._frames: dict[K, deque[T]] = {camera: deque() for camera in cameras}
        self._turns = deque(cameras)
        self._under_way: set[K] = set()
        self._closed = False
        self._interrupted = False

    def put(self, camera: K, frame: T) -> bool:
        """Store a frame; False if one was lost for it."""
        with self._changed:
            waiting = self._frames[camera]
            replaced = bool(waiting) and not self._keep_all
            if replaced:
                waiting.clear()
            waiting.append(frame)
            self._changed.notify()
        return not replaced

    def take(
        self, *, most: int = 1, kind: Callable[[K, T], Hashable] | None = None
    ) -> list[tuple[K, T]] | None:
        """Wait for frames; None after `close`, and an empty list after `interrupt`.

        Their cameras are to be given back by `done`.

        Args:
            most: frames at a time, each of another camera.
            kind: of a camera's frame. What is of the same kind as the first frame is taken with
                it; None is of no other's kind.

        Returns:
            The frame of the camera whose turn it is among those that have one, and those that go
            with it.

        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._interrupted or self._ready())
            if self._closed:
                return None
            self._interrupted = False
            waiting = self._ready()
            chosen = waiting[:1]
            if kind is not None and most > 1 and chosen:
                kinds = {camera: kind(camera, self._frames[camera][0]) for camera in waiting}
                same = [c for c in waiting if kinds[c] == kinds[chosen[0]] is not None]
                chosen = same[:most] or chosen
            for camera in chosen:
                self._turns.remove(camera)
                self._turns.append(camera)
                self._under_way.add(camera)
            return [(camera, self._frames[camera].popleft()) for camera in chosen]

    def _ready(self) -> list[K]:
        """Cameras that a frame may be taken of, in turn."""
        return [c for c in self._turns if self._frames[c] and c not in self._under_way]

    def done(self, cameras: Iterable[K]) -> None:
        """Let the next frames of these cameras be taken."""
        with self._changed:
            self._under_way.difference_update(cameras)
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Let the taker go on without a frame, if there is none."""
        with self._changed:
            self._interrupted = True
            self._changed.notify()

    def close(self) -> dict[K, int]:
        """Wake the takers for the last time; return how many frames of each they will not get."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return {camera: len(frames) for camera, frames in self._frames.items()}
