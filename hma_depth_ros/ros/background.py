"""A node served on a thread, for commands whose main thread has other work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

_TURN_SECONDS = 0.1


@contextmanager
def served(node: Node) -> Iterator[None]:
    """Serve the node's callbacks until the block ends; raise then what one of them raised."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                executor.spin_once(timeout_sec=_TURN_SECONDS)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=f"serve {node.get_name()}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        executor.shutdown()
    if errors:
        raise errors[0]
