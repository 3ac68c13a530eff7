"""How far depth images and their ground truth are apart in time, and how far the car went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hma_depth_ros.bags.scoring.depth_truth import LidarPlace, Match


@dataclass(frozen=True)
class TimeOffsets:
    """Of all matches."""

    mean: float  #: seconds between image and ground truth, whichever is first
    longest: float
    lidar: bool  #: whether the ground truth is a LiDAR's
    followed: int  #: scans that were moved to the time of their image
    way: float  #: metres by which they were moved on average
    matches: int

    def __str__(self) -> str:
        truth = "scan" if self.lidar else "ground truth"
        apart = (
            f"{1000 * self.mean:.1f} ms between image and {truth} on average, "
            f"{1000 * self.longest:.1f} ms at most"
        )
        if not self.lidar or self.longest == 0:
            return apart
        if self.followed:
            return (
                f"{apart}; {self.followed} of {self.matches} scans are moved to the time of their "
                f"image as /tf tells, by {self.way:.3f} m on average"
            )
        return (
            f"{apart}; nothing tells how the LiDAR moved meanwhile: at 10 m/s that is "
            f"{10 * self.longest:.2f} m"
        )


def timing_of(
    matches: Sequence[Match], truths: Sequence[int], place: LidarPlace | None
) -> TimeOffsets:
    """TimeOffsets of matches, of which there is one at least.

    Args:
        matches: depth images with their ground truth.
        truths: stamps of the ground truth in nanoseconds, by number.
        place: of the LiDAR, if it is one.

    """
    apart = [abs(truths[match.truth] - match.stamp) / 1e9 for match in matches]
    ways = []
    for match in matches if place is not None else ():
        assert place is not None
        motion = place.motion(match.stamp, truths[match.truth])
        if motion is not None:
            ways.append(float(np.linalg.norm(motion[:3, 3])))
    return TimeOffsets(
        mean=float(np.mean(apart)),
        longest=max(apart),
        lidar=place is not None,
        followed=len(ways),
        way=float(np.mean(ways)) if ways else 0.0,
        matches=len(matches),
    )
