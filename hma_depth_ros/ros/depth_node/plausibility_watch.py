"""Whether a camera's depth has looked strange for several frames in a row."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from hma_depth_ros.inference.plausibility import UPRIGHT, DepthRanges, strangeness

#: Seconds between looks at the image upside down, each of which takes a pass through the network.
TURN_SECONDS = 5.0

#: As many such looks in a row must find an image upside down.
TURNS = 3


class PlausibilityWatch:
    """Takes the traits of a camera's depth frame by frame, in the worker's thread.

    It begins and ends after as many frames in a row: one of either kind, such as a lorry that
    passes, changes nothing.
    """

    def __init__(self) -> None:
        self.reason = ""  #: why depth is implausible, for people; empty while it is not
        self._row = 0  # frames that have contradicted it
        self._upright: deque[float] = deque(maxlen=TURNS)
        self._turned = -math.inf

    def turn_is_due(self, ranges: DepthRanges, now: float) -> bool:
        """Whether the trait UPRIGHT is wanted of this frame; `now` in seconds of a steady clock."""
        if UPRIGHT not in ranges or now - self._turned < TURN_SECONDS:
            return False
        self._turned = now
        return True

    def take(
        self, traits: Mapping[str, float], ranges: DepthRanges, *, beyond: float, frames: int
    ) -> None:
        """Judge one frame.

        Args:
            traits: of its depth.
            ranges: of the training frames; none: every depth is plausible.
            beyond: how far outside its range a trait must be, in widths of the range.
            frames: in a row; 0: none is judged.

        """
        if not frames or not ranges:
            self.reason, self._row = "", 0
            return
        traits = self._with_uprightness(traits)
        far, name = strangeness(traits, ranges)
        strange = far > beyond
        self._row = self._row + 1 if strange != bool(self.reason) else 0
        if self._row >= frames:
            self._row = 0
            self.reason = _sentence(traits, ranges, name) if strange else ""

    def _with_uprightness(self, traits: Mapping[str, float]) -> dict[str, float]:
        """With the most upright of the latest looks, once there are so many, for this one."""
        kept = dict(traits)
        seen = kept.pop(UPRIGHT, math.nan)
        if math.isfinite(seen):
            self._upright.append(seen)
        if len(self._upright) == TURNS:
            kept[UPRIGHT] = max(self._upright)
        return kept


def _sentence(traits: Mapping[str, float], ranges: DepthRanges, name: str) -> str:
    if not math.isfinite(traits[name]):
        return "the network gives depth that is no finite number"
    low, high = ranges[name]
    return (
        "the network has not learned from such depth, as of a covered lens: "
        f"{name} is {traits[name]:.2f}, and was {low:.2f} to {high:.2f} in training (ln of metres)"
    )
