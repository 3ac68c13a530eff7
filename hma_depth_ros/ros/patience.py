"""Waiting for what takes long, but not longer than anybody wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.duration import Duration
from rclpy.publisher import Publisher

from hma_depth_ros.errors import HmaDepthError

T = TypeVar("T")

_POLL = 0.1  # seconds


class GivenUpError(HmaDepthError):
    """Nobody wants the result any more."""


def unless(
    given_up: Callable[[], bool],
    work: Callable[[], T],
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> T:
    """Return what `work` does in a thread of its own; not even a call into C holds the caller up.

    Args:
        given_up: whether to wait no longer.
        work: what takes long.
        meanwhile: is called ten times a second, by the caller's thread.

    Raises:
        GivenUpError: `given_up` came first. The thread is left alone then.
        Exception: as `work` raised it.

    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL)
        if given_up():
            raise GivenUpError("the process ends")
        meanwhile()
    if errors:
        raise errors[0]
    return results[0]


def all_acknowledged(
    publisher: Publisher[Any], seconds: float, *, given_up: Callable[[], bool]
) -> bool:
    """Whether all reliable subscribers take what was published, within so much time.

    False, too, if `given_up` came first.
    """
    deadline = time.monotonic() + seconds
    while not given_up():
        left = max(0.0, deadline - time.monotonic())
        if publisher.wait_for_all_acked(Duration(seconds=min(left, _POLL))):
            return True
        if left <= _POLL:
            return False
    return False
