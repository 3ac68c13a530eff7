"""The named ways in which a camera's depth is not what it should be, judged from plain facts.

Nothing here knows of ROS or of time: whoever asks gathers the facts and says how late it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Protocol

#: Fewer images in a window than these make no share.
LEAST_IMAGES = 5

#: A share that has been above its limit must fall below so much of it: else it would flicker.
ENDS_BELOW = 0.8


class Mode(Enum):
    """What is wrong; the value is the name in the diagnostics."""

    STALE = "stale"  #: no image has come of which there could be depth
    UNCALIBRATED = "uncalibrated"  #: depth is not scaled to the camera, there is no cloud
    OVERLOADED = "overloaded"  #: too many images give way to newer ones
    TRANSPORT_LOSS = "transport_loss"  #: too many images do not get here
    ENGINE_FALLBACK = "engine_fallback"  #: what runs the network is not what was wanted
    ENGINE_STALLED = "engine_stalled"  #: the network does not answer any more
    IMPLAUSIBLE = "implausible"  #: depth is unlike that of the frames that were trained on


class Severity(IntEnum):
    """Levels of DiagnosticStatus."""

    WARN = 1  #: depth may be used, but it comes less often or later than it could
    ERROR = 2  #: there is no depth, or none that may be used


@dataclass(frozen=True)
class Degradation:
    """A mode that a camera is in."""

    mode: Mode
    severity: Severity
    reason: str  #: for people, without the mode's name

    def __str__(self) -> str:
        """One part of the diagnostics' message."""
        return f"{self.mode.value}: {self.reason}"


@dataclass(frozen=True)
class CameraFacts:
    """What has become of a camera's images; counts go up, from any beginning."""

    arrived: int  #: images that are here
    through: int  #: of these, whose depth was published or asked for by nobody
    replaced: int  #: of these, that gave way to a newer one
    unpaired: int  #: of these, that had no CameraInfo of their stamp
    lost: int | None  #: beside these: on the way; None if nobody counts
    quiet: float  #: seconds since the last one came through, or since they were waited for
    calibrated: bool | None  #: whether the last that was looked at was; None before any
    fallback: str  #: why another engine runs than was wanted; empty if it does not
    deviates: bool  #: the engine does not reproduce the network, and there is nothing better
    implausible: str  #: why depth is unlike that of the training frames; empty if it is not
    stalled: str  #: for how long the network has not answered; empty while it does


class ModeLimits(Protocol):
    """Where the modes begin; the node's parameters are such."""

    @property
    def stale_after(self) -> float:
        """Seconds without an image; 0 is never."""
        ...

    @property
    def warn_dropped(self) -> float:
        """Share of the images that give way to newer ones."""
        ...

    @property
    def warn_lost(self) -> float:
        """Share of the images that are lost on the way."""
        ...

    @property
    def share_window(self) -> float:
        """Seconds that both shares are taken over."""
        ...


class DegradedModes:
    """Which modes a camera is in, from look to look, while it is active."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, CameraFacts]] = deque()  # of the window, and one before
        self._current: set[Mode] = set()

    def look(self, facts: CameraFacts, limits: ModeLimits, now: float) -> list[Degradation]:
        """Judge, and remember.

        Args:
            facts: of this moment.
            limits: the user's.
            now: seconds of a clock that only goes forward.

        Returns:
            One for each mode that the camera is in now.

        """
        since, before = self._at_begin_of_window(facts, limits.share_window, now)
        full = now - since >= limits.share_window
        judged = (
            _stale(facts, limits),
            _uncalibrated(facts, before),
            self._overloaded(facts, before, limits, now - since) if full else None,
            self._transport_loss(facts, before, limits, now - since) if full else None,
            _engine_fallback(facts),
            _error(Mode.ENGINE_STALLED, facts.stalled),
            _error(Mode.IMPLAUSIBLE, facts.implausible),
        )
        found = [degradation for degradation in judged if degradation is not None]
        self._current = {degradation.mode for degradation in found}
        return found

    def _at_begin_of_window(
        self, facts: CameraFacts, window: float, now: float
    ) -> tuple[float, CameraFacts]:
        """The latest look that is at least a window ago, else the first one."""
        self._looks.append((now, facts))
        while len(self._looks) > 1 and now - self._looks[1][0] >= window:
            self._looks.popleft()
        return self._looks[0]

    def _limit(self, mode: Mode, limit: float) -> float:
        return limit * ENDS_BELOW if mode in self._current else limit

    def _overloaded(
        self, facts: CameraFacts, before: CameraFacts, limits: ModeLimits, seconds: float
    ) -> Degradation | None:
        images, replaced = facts.arrived - before.arrived, facts.replaced - before.replaced
        limit = self._limit(Mode.OVERLOADED, limits.warn_dropped)
        if images < LEAST_IMAGES or replaced / images <= limit:
            return None
        return Degradation(
            Mode.OVERLOADED,
            Severity.WARN,
            f"{replaced} of {images} images in {seconds:.1f} s gave way to newer ones, more than "
            f"warn_dropped ({limits.warn_dropped:g})",
        )

    def _transport_loss(
        self, facts: CameraFacts, before: CameraFacts, limits: ModeLimits, seconds: float
    ) -> Degradation | None:
        lost = (facts.lost or 0) - (before.lost or 0)
        images = facts.arrived - before.arrived + lost
        limit = self._limit(Mode.TRANSPORT_LOSS, limits.warn_lost)
        if images < LEAST_IMAGES or lost / images <= limit:
            return None
        return Degradation(
            Mode.TRANSPORT_LOSS,
            Severity.WARN,
            f"{lost} of {images} images in {seconds:.1f} s were lost on the way, more than "
            f"warn_lost ({limits.warn_lost:g})",
        )


def _stale(facts: CameraFacts, limits: ModeLimits) -> Degradation | None:
    if not limits.stale_after or facts.quiet <= limits.stale_after:
        return None
    return Degradation(
        Mode.STALE, Severity.ERROR, f"no image that could be used for {facts.quiet:.1f} s"
    )


def _uncalibrated(facts: CameraFacts, before: CameraFacts) -> Degradation | None:
    if facts.unpaired > before.unpaired and facts.through == before.through:
        reason = "no image has a camera_info of its stamp"
    elif facts.calibrated is False:
        reason = "depth is not scaled to this camera"
    else:
        return None
    return Degradation(Mode.UNCALIBRATED, Severity.ERROR, reason)


def _engine_fallback(facts: CameraFacts) -> Degradation | None:
    if not facts.fallback:
        return None
    severity = Severity.ERROR if facts.deviates else Severity.WARN
    return Degradation(Mode.ENGINE_FALLBACK, severity, facts.fallback)


def _error(mode: Mode, reason: str) -> Degradation | None:
    return Degradation(mode, Severity.ERROR, reason) if reason else None
