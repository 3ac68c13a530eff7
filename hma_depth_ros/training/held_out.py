"""Drives held out: taken out of the lists to train on, and validated by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.splits.dataset_layout import DatasetName
from hma_depth_ros.data.splits.split_file import SplitEntry
from hma_depth_ros.errors import HmaDepthError


@dataclass(frozen=True)
class Divided:
    """Entries of training lists, by whether their drive is held out."""

    training: list[SplitEntry]
    held_out: list[SplitEntry]
    frames: dict[str, int]  #: held out of each drive, by its full name


def hold_out(
    entries: Iterable[SplitEntry], drives: Sequence[str], *, dataset: DatasetName
) -> Divided:
    """Divide entries by drive; a drive is left out with all its cameras.

    Args:
        entries: of the training lists; one that several lists name is validated by once.
        drives: such as `2011_09_26_drive_0001`, with or without `_sync`; scenes of NYU Depth v2.
        dataset: which of the two.

    Raises:
        HmaDepthError: no entry is of one of the drives (a typo would train on it silently), or none
            is left to train on.

    """
    entries = list(entries)
    wanted = {name if dataset == "nyu" else _full(name) for name in drives}
    found = [drive_of(entry, dataset) for entry in entries]
    for name in sorted(wanted):
        if name not in found:
            present = sorted({drive for drive in found if drive is not None})
            near = get_close_matches(name, present, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise HmaDepthError(f"data.hold_out: no training list has frames of {name}{hint}")
    training = [e for e, drive in zip(entries, found, strict=True) if drive not in wanted]
    if not training:
        raise HmaDepthError(
            f"data.hold_out takes all {len(entries)} frames out of training; hold out fewer drives"
        )
    kept = {e.image: e for e, drive in zip(entries, found, strict=True) if drive in wanted}
    counts = Counter(str(drive_of(entry, dataset)) for entry in kept.values())
    return Divided(training, list(kept.values()), dict(sorted(counts.items())))


def drive_of(entry: SplitEntry, dataset: DatasetName) -> str | None:
    """Full name of an entry's drive, of NYU Depth v2 its scene; None where the path has none."""
    return entry.image.parent.name if dataset == "nyu" else kitti_drive_name(entry.image)


def _full(drive: str) -> str:
    return f"{drive.removesuffix('_sync')}_sync"
