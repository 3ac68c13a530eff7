"""The account of a camera's images, as each message of the diagnostics gives it, and its audit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: What may become of an image.
FATES = ("processed", "dropped", "skipped", "failed")


@dataclass(frozen=True)
class FrameAccount:
    """What became of a camera's images until one moment."""

    received: int
    processed: int
    dropped: int
    skipped: int
    failed: int
    waiting: int  #: beside those received
    lost: int | None  #: on the way, beside those received; None where the middleware does not say
    causes: dict[str, int] = field(default_factory=dict)  #: such as "dropped: no camera_info"

    @classmethod
    def of(cls, status: Any) -> FrameAccount:
        """Read a `DiagnosticStatus` of the depth node.

        Raises:
            KeyError, ValueError: a count is missing, or is no number.

        """
        figures = {pair.key: pair.value for pair in status.values}
        counts = {fate: int(figures[f"frames {fate}"]) for fate in (*FATES, "received", "waiting")}
        lost = figures.get("images lost in transport")
        causes = {
            key: int(value) for key, value in figures.items() if key.partition(": ")[0] in FATES
        }
        return cls(**counts, lost=None if lost is None else int(lost), causes=causes)

    def faults(self) -> list[str]:
        """What does not add up, in words; empty if all does."""
        faults = []
        decided = sum(getattr(self, fate) for fate in FATES)
        if self.received != decided:
            faults.append(f"{self.received} received, but {decided} accounted for")
        for fate in FATES[1:]:
            total = getattr(self, fate)
            by_cause = sum(n for cause, n in self.causes.items() if cause.startswith(f"{fate}: "))
            if total != by_cause:
                faults.append(f"{total} {fate}, but {by_cause} by their causes")
        if self.waiting < 0:
            faults.append(f"{self.waiting} are waiting")
        return faults

    def faults_after(self, before: FrameAccount) -> list[str]:
        """What has become less since `before`, in words: no image is taken back."""
        return [
            f"{name} fell from {earlier} to {now}"
            for name in ("received", *FATES)
            if (now := getattr(self, name)) < (earlier := getattr(before, name))
        ]

    def since(self, before: FrameAccount) -> FrameAccount:
        """What has come since an earlier account, in which nothing was waiting."""
        return FrameAccount(
            **{
                name: getattr(self, name) - getattr(before, name)
                for name in ("received", *FATES, "waiting")
            },
            lost=None if self.lost is None else self.lost - (before.lost or 0),
            causes={cause: n - before.causes.get(cause, 0) for cause, n in self.causes.items()},
        )

    def missing(self, sent: int) -> int:
        """Images of so many sent that are nowhere; to be asked when all is quiet."""
        return sent - self.received - self.waiting - (self.lost or 0)


class Audit:
    """Reads the diagnostics of one camera, message by message."""

    def __init__(self) -> None:
        """Begin with none."""
        self.messages = 0
        self.faults: list[str] = []  #: of all messages
        self.latest: FrameAccount | None = None

    def take(self, status: Any) -> FrameAccount:
        """Check one more message."""
        account = FrameAccount.of(status)
        found = account.faults()
        if self.latest is not None:
            found += account.faults_after(self.latest)
        self.messages += 1
        self.faults += [f"message {self.messages}: {fault}" for fault in found]
        self.latest = account
        return account


def audit(statuses: Iterable[Any]) -> Audit:
    """Check all messages of one camera, in order."""
    result = Audit()
    for status in statuses:
        result.take(status)
    return result
