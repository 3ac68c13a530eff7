"""An iterator that works ahead on a thread of its own, in constant memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_END = object()
_POLL = 0.1  # seconds


def prefetched(items: Iterable[T], *, ahead: int) -> Iterator[T]:
    """Yield `items` in order, while a thread makes the next ones, at most `ahead` of them.

    An exception comes out where its item would have come. When the consumer stops, so does the
    thread after its item.
    """
    queue: Queue[tuple[object, BaseException | None]] = Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: object, error: BaseException | None = None) -> None:
        while not stop.is_set():
            try:
                queue.put((item, error), timeout=_POLL)
            except Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:
            put(_END, error)
        else:
            put(_END)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
