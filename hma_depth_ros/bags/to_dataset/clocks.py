"""Whether stamps of camera and LiDAR are of one clock, and of one recording.

A bag has two times of each message: its sensor's own, in the header, and when it was recorded. Both
topics are recorded by one clock, so by how much their stamps are behind it tells the clocks apart.
Where a bag was written of files, and not recorded, both times are the same and tell nothing; then
two topics that begin and end equally far apart are taken for what they look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.messages.stamps import stamp_text

Times = npt.NDArray[np.int64]

#: Nanoseconds: a longer gap between images is another drive, and stamps that go back by more are
#: another recording, for less is disorder.
_PAUSE, _BACK = 5_000_000_000, 1_000_000_000
#: Nanoseconds: clocks that differ by more do so by no delay of a driver's; and what is more than a
#: scan's duration and a driver's usual delay, so that it is asked about.
_APART, _ASKED = 1_000_000_000, 250_000_000
#: Parts of a recording that are compared, of so many messages at least: a median of them is no
#: message that the recorder took late.
_PARTS, _PART_MESSAGES = 20, 20
#: Nanoseconds of a message's two times that are the same.
_SAME = 1_000_000
#: Share of images with another one's stamp from which on it is no driver's slip.
_REPEATED = 0.05


@dataclass(frozen=True)
class TopicTimes:
    """Times of a topic's messages in nanoseconds, in the order in which they were recorded."""

    topic: str
    stamps: Times  #: of the headers
    recorded: Times

    @classmethod
    def of(cls, topic: str, stamps: Sequence[int], recorded: Sequence[int]) -> TopicTimes:
        """Of two lists."""
        return cls(topic, np.array(stamps, np.int64), np.array(recorded, np.int64))


def drive_starts(images: Times) -> Times:
    """Numbers of the images, after the first, that a drive begins with."""
    steps = np.diff(images)
    return np.flatnonzero((steps < -_BACK) | (steps > _PAUSE)) + 1


def check_stamps(images: TopicTimes, scans: TopicTimes) -> None:
    """Refuse stamps by which no scan can be found for an image.

    Raises:
        HmaDepthError: a driver sets none, or times occur twice, as of a recording that was played
            again.

    """
    for times in (images, scans):
        count = times.stamps.size
        if count > 1 and (times.stamps == times.stamps[0]).all():
            raise HmaDepthError(
                f"all {count} messages on {times.topic} have the stamp "
                f"{stamp_text(int(times.stamps[0]))}: its driver sets none, so that nothing tells "
                "which scan belongs to which image"
            )
    starts = drive_starts(images.stamps)
    drives = np.split(images.stamps, starts)
    spans = sorted((int(own.min()), int(own.max())) for own in drives)
    for (_, end), (begin, _) in pairwise(spans):
        if begin < end:
            raise HmaDepthError(
                f"stamps on {images.topic} go back by {(end - begin) / 1e9:.1f} s to "
                f"{stamp_text(begin)}, which was recorded before: two recordings of the same time, "
                "whose transforms cannot be told apart; make a bag of each"
            )
    repeated = images.stamps.size - np.unique(images.stamps).size
    if repeated > _REPEATED * images.stamps.size:
        raise HmaDepthError(
            f"{repeated} of {images.stamps.size} images on {images.topic} have the stamp of another"
            " one: two recordings of the same time, which cannot be told apart; make a bag of each"
        )


def check_clocks(images: TopicTimes, scans: TopicTimes) -> str | None:
    """Refuse stamps of two clocks.

    Returns:
        A remark where a delay of a driver's would look the same; None if nothing is to be said.

    Raises:
        HmaDepthError: the clocks differ, saying by how much.

    """
    if max(np.abs(t.stamps - t.recorded).max(initial=0) for t in (images, scans)) < _SAME:
        apart, how = _ranges_apart(images, scans), "for both begin and end so"
    else:
        parts = _part_medians(_apart(images, scans))
        how = "by when messages were recorded"
        if parts.max() - parts.min() > _APART:
            raise HmaDepthError(
                f"the clock of {scans.topic} goes differently from that of {images.topic}: "
                f"{parts[0] / 1e9:+.2f} s at the beginning, {parts[-1] / 1e9:+.2f} s at the end, "
                f"from {parts.min() / 1e9:+.2f} to {parts.max() / 1e9:+.2f} s, {how}; no "
                "--time-offset corrects that: synchronise the clocks, or make a bag of each part "
                "(--time-offset 0 takes them as they are)"
            )
        apart = round(float(np.median(parts)))
    if abs(apart) > _APART:
        side = "ahead of" if apart > 0 else "behind"
        raise HmaDepthError(
            f"the clock of {scans.topic} is {abs(apart) / 1e9:.2f} s {side} that of "
            f"{images.topic}, {how}; --time-offset {-apart / 1e9:.3f} corrects the LiDAR's stamps, "
            "--time-offset 0 takes them as they are"
        )
    if abs(apart) > _ASKED:
        return (
            f"stamps of {scans.topic} are {apart / 1e9:+.2f} s from those of {images.topic}, {how};"
            " where that is no delay of a driver but the clocks, --time-offset "
            f"{-apart / 1e9:.3f} corrects it"
        )
    return None


def _apart(images: TopicTimes, scans: TopicTimes) -> npt.NDArray[np.float64]:
    """Nanoseconds that stamps of each scan are ahead of those of the image recorded next to it.

    That is but for what lies between the two in the recording.
    """
    after = np.searchsorted(images.recorded, scans.recorded).clip(0, images.recorded.size - 1)
    before = (after - 1).clip(0)
    away = [np.abs(images.recorded[number] - scans.recorded) for number in (before, after)]
    beside = np.where(away[0] <= away[1], before, after)
    ahead = (images.stamps - images.recorded)[beside]
    return np.asarray(scans.stamps - scans.recorded - ahead, np.float64)


def _part_medians(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Medians of equal parts: one message that the recorder took late is none."""
    parts = min(_PARTS, max(values.size // _PART_MESSAGES, 1))
    return np.array([np.median(part) for part in np.array_split(values, parts)])


def _ranges_apart(images: TopicTimes, scans: TopicTimes) -> int:
    """Nanoseconds that the LiDAR both begins and ends later; 0 where it does not."""
    begin = int(scans.stamps.min() - images.stamps.min())
    end = int(scans.stamps.max() - images.stamps.max())
    # As exactly as messages follow each other.
    steps = [np.median(np.abs(np.diff(t.stamps))) for t in (images, scans) if t.stamps.size > 1]
    if abs(begin - end) > max(_ASKED, 2 * max(steps, default=0)):
        return 0
    return (begin + end) // 2
