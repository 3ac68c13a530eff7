"""Whether a camera's depth has looked strange for several frames in a row."""

from __future__ import annotations

import math

from hma_depth_ros.inference.plausibility import DepthRanges, strangeness


class PlausibilityWatch:
    """Takes the traits of a camera's depth frame by frame, in the worker's thread.

    It begins and ends after as many frames in a row: one of either kind, such as a lorry that
    passes, changes nothing.
    """

    def __init__(self) -> None:
        self.reason = ""  #: why depth is implausible, for people; empty while it is not
        self._row = 0  # frames that have contradicted it

    def take(
        self, traits: dict[str, float], ranges: DepthRanges, *, beyond: float, frames: int
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
        far, name = strangeness(traits, ranges)
        strange = far > beyond
        self._row = self._row + 1 if strange != bool(self.reason) else 0
        if self._row >= frames:
            self._row = 0
            self.reason = _sentence(traits, ranges, name) if strange else ""


def _sentence(traits: dict[str, float], ranges: DepthRanges, name: str) -> str:
    if not math.isfinite(traits[name]):
        return "the network gives depth that is no finite number"
    low, high = ranges[name]
    return (
        "the network has not learned from such depth, as of a covered lens: "
        f"{name} is {traits[name]:.2f}, and was {low:.2f} to {high:.2f} in training (ln of metres)"
    )
