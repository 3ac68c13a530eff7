"""Messages that a subscription does not give, told by the numbers of those that it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Publishers that are remembered: of those that come and go again and again, the latest.
_REMEMBERED = 16


class SequenceGaps:
    """Counts what is missing between two messages of one publisher, whatever it was lost by.

    A middleware tells what the transport has lost; what newer messages have driven out of a
    subscription's own queue, before the node took it, it tells nobody. Needs the publisher's number
    of each message and its identity, which rclpy gives since Kilted; else nothing is counted.
    """

    def __init__(self) -> None:
        self._latest: dict[bytes, int] = {}  # number by publisher

    def note(self, info: Mapping[str, Any]) -> int:
        """Take a message's `MessageInfo`; how many are missing between it and the one before."""
        number, identity = info.get("publication_sequence_number"), info.get("publisher_gid")
        if number is None or identity is None:
            return 0
        publisher = bytes(identity["data"])
        before = self._latest.pop(publisher, number - 1)
        self._latest[publisher] = number
        if len(self._latest) > _REMEMBERED:
            del self._latest[next(iter(self._latest))]
        return max(0, number - before - 1)
