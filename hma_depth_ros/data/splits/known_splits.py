"""Recognises published lists of frames, so that a report can say what was really evaluated.

The lists are their authors' files. What is kept here is a fingerprint of each: SHA-256 over the
sorted (drive, frame, camera) of its entries, for NYU Depth v2 over their names SCENE_rgb_N, which
order, paths and focal lengths do not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hma_depth_ros.data.frame_name import KittiFrame, kitti_drive_name, kitti_frame
from hma_depth_ros.data.nyu import layout as nyu_layout
from hma_depth_ros.data.splits.split_file import SplitEntry


@dataclass(frozen=True)
class KnownSplit:
    """A published list."""

    name: str
    listed: int
    with_ground_truth: int
    #: Of all entries, and of those with ground truth.
    fingerprint: str
    ground_truth_fingerprint: str


KNOWN_SPLITS = (
    # Eigen et al. (2014) as BTS lists them for KITTI's annotated depth, which was published later
    # and lacks 45 of the 697 test frames.
    KnownSplit(
        "Eigen test",
        697,
        652,
        "c980201f0d7aa4d6aa55133439c2020ddba8dab4825cbafcc5dd61a5dbf09306",
        "889f2707ad6e9a4fc129af35f5c996903c113d77d46f2c505b6363e20bc7c768",
    ),
    KnownSplit(
        "Eigen train",
        23158,
        23158,
        "b8879fb91f002689d0f9377643905496dbe568f0233290051f43b472c3c2485a",
        "b8879fb91f002689d0f9377643905496dbe568f0233290051f43b472c3c2485a",
    ),
    # Official test frames of the labelled file, by their numbers in it, and BTS's own choice of
    # the raw recordings to train on.
    KnownSplit(
        "NYU test",
        654,
        654,
        "10b3c1f0fc9d7670574d426e0a3a57d57193a0c84fcbedd4477e78775c543a45",
        "10b3c1f0fc9d7670574d426e0a3a57d57193a0c84fcbedd4477e78775c543a45",
    ),
    KnownSplit(
        "NYU train (BTS)",
        24231,
        24231,
        "0b93f2ef12e09f3017d9740873cb9f3e7b249249c7223815e7cb8f2c82086aa4",
        "0b93f2ef12e09f3017d9740873cb9f3e7b249249c7223815e7cb8f2c82086aa4",
    ),
)

#: (day, numbers) of the 28 drives that Eigen's test frames come from.
_EIGEN_TEST_DRIVES = (
    ("2011_09_26", (2, 9, 13, 20, 23, 27, 29, 36, 46, 48, 52, 56, 59, 64, 84, 86, 93, 96, 101, 106,
                    117)),
    ("2011_09_28", (2,)),
    ("2011_09_29", (71,)),
    ("2011_09_30", (16, 18, 27)),
    ("2011_10_03", (27, 47)),
)  # fmt: skip
EIGEN_TEST_DRIVES = frozenset(
    f"{day}_drive_{number:04}_sync" for day, numbers in _EIGEN_TEST_DRIVES for number in numbers
)


@dataclass(frozen=True)
class SplitIdentity:
    """What a list turned out to be."""

    listed: int
    with_ground_truth: int
    known: KnownSplit | None  #: by all of its entries
    #: Whether the entries with ground truth are the published ones too.
    verified: bool

    def __str__(self) -> str:
        name = "another list" if self.known is None else self.known.name
        counts = f"{name}, {self.listed} listed, {self.with_ground_truth} with ground truth"
        if self.known is None:
            return counts
        if self.verified:
            return f"{counts}, verified"
        return f"{counts} where the published list has {self.known.with_ground_truth}, NOT verified"


def fingerprint(frames: Iterable[KittiFrame]) -> str:
    """SHA-256, in hexadecimal, over the sorted frames as lines of `drive frame camera`."""
    return _digest(f"{frame.drive} {frame.frame} {frame.camera}" for frame in sorted(frames))


def identify(entries: Sequence[SplitEntry]) -> SplitIdentity:
    """Recognise a list by its entries, wherever its files lie."""
    labelled = [entry for entry in entries if entry.depth is not None]
    mark, labelled_mark = _mark(entries), _mark(labelled)
    known = next((split for split in KNOWN_SPLITS if split.fingerprint == mark), None)
    verified = known is not None and known.ground_truth_fingerprint == labelled_mark
    return SplitIdentity(len(entries), len(labelled), known, verified)


def known_by_ground_truth(names: Sequence[str]) -> KnownSplit | None:
    """The published list whose frames with ground truth are those of these names, if there is one.

    Names are `Layout.frame_name`'s: DRIVE_FRAME of KITTI, SCENE_rgb_N of NYU Depth v2.
    """
    frames = [frame for name in names if (frame := kitti_frame(Path(name))) is not None]
    mark = fingerprint(frames) if len(frames) == len(names) else _digest(sorted(names))
    return next((split for split in KNOWN_SPLITS if split.ground_truth_fingerprint == mark), None)


def eigen_test_drives_in(entries: Iterable[SplitEntry]) -> list[str]:
    """Those of the 28 test drives that a list takes images from, sorted."""
    drives = {kitti_drive_name(entry.image) for entry in entries}
    return sorted(EIGEN_TEST_DRIVES & drives)


def _mark(entries: Sequence[SplitEntry]) -> str | None:
    """Fingerprint; None if the entries are neither all of KITTI drives nor all of NYU scenes."""
    frames = [frame for entry in entries if (frame := kitti_frame(entry.image)) is not None]
    if len(frames) == len(entries):
        return fingerprint(frames)
    if all(nyu_layout.is_image(entry.image) for entry in entries):
        return _digest(sorted(nyu_layout.frame_name(entry.image) for entry in entries))
    return None


def _digest(lines: Iterable[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()  # as files are named
