"""Which frames are to be scored, and which of them cannot be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.depth.ground_truth import GroundTruth, MeasuredDepth, Source
from hma_depth_ros.data.folder_files import files_below
from hma_depth_ros.data.frame_name import scene_name
from hma_depth_ros.data.splits.known_splits import SplitIdentity, identify, known_by_ground_truth
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split, with_source
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import Benchmark
from hma_depth_ros.geometry.camera import PinholeCamera

_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame to be scored."""

    name: str  #: of `Layout.frame_name`
    ground_truth: GroundTruth | MeasuredDepth
    image: Path | None = None  #: None: not given, or not there
    listed: SplitEntry | None = None  #: with the paths of files; None: of no list, or no image
    #: Gives the picture (H, W, 3), RGB, for reports, where it lies in no file.
    picture: Callable[[], npt.NDArray[np.uint8]] | None = None
    #: Of the ground truth's size; None: it is that of `listed`, if there is one.
    camera: PinholeCamera | None = None

    @property
    def scene(self) -> str:
        """What it was recorded in, see `scene_name`."""
        if self.image is not None:
            return scene_name(self.image)
        truth = self.ground_truth
        return scene_name(truth if isinstance(truth, Path) else Path(self.name))


@dataclass(frozen=True)
class FrameList:
    """All frames that can be scored, in the list's order, and why others cannot."""

    frames: list[EvaluatedFrame]
    #: One line for each frame that lacks a file, starting with its name.
    missing: list[str]
    #: Of the split; None without one.
    identity: SplitIdentity | None = None
    #: What the frames are, where they come from neither a split nor a folder of ground truth.
    what: str | None = None

    @property
    def title(self) -> str:
        """What the frames are, for reports."""
        if self.identity is not None:
            return str(self.identity)
        if self.what is not None:
            return self.what
        known = known_by_ground_truth([frame.name for frame in self.frames])
        which = "another list" if known is None else f"that of {known.name}, verified"
        return f"all ground truth in the folder, {which}"

    def with_predictions(self, names: Collection[str]) -> FrameList:
        """Move the frames that are not among `names` to the missing ones."""
        have = [frame for frame in self.frames if frame.name in names]
        lack = [f"{frame.name}: no prediction" for frame in self.frames if frame.name not in names]
        return replace(self, frames=have, missing=[*self.missing, *lack])

    def check(self, *, allow_partial: bool) -> None:
        """Refuse to score less than was asked for, before any work is done.

        Raises:
            HmaDepthError: there is nothing to score; or, unless `allow_partial`, frames are missing
                or a known list has lost some of its ground truth.

        """
        if self.missing and not (allow_partial and self.frames):
            total = len(self.frames) + len(self.missing)
            raise HmaDepthError(
                f"{len(self.missing)} of {total} frames cannot be scored: "
                f"{shortened(self.missing)}"
                + ("; --allow-partial scores the rest" if self.frames else "")
            )
        identity = self.identity
        if identity and identity.known and not identity.verified and not allow_partial:
            raise HmaDepthError(f"the split is {identity}; --allow-partial scores it as it is")
        if not self.frames:
            raise HmaDepthError("the split lists no frame with ground truth")


def shortened(items: Collection[str]) -> str:
    """The first few of many items, and how many more there are."""
    first = ", ".join(list(items)[:_NAMED_AT_MOST])
    more = len(items) - _NAMED_AT_MOST
    return f"{first} and {more} more" if more > 0 else first


def frames_of_split(
    split: Path,
    benchmark: Benchmark,
    *,
    images: Path | None,
    ground_truth: Path,
    image_needed: bool,
    source: Source = "annotated",
) -> FrameList:
    """Frames of a list in BTS's format, found under the folders of images and ground truth.

    Entries without ground truth (`None`) are counted in the identity and otherwise left out; of
    the `source` lidar all entries have some.

    Raises:
        HmaDepthError: the list cannot be read, names a frame twice, or has no scans by its layout.

    """
    entries = read_split(split, Path())
    frames, missing = [], []
    for entry in with_source(entries, source):
        if entry.depth is None:
            continue
        name = benchmark.layout.frame_name(entry.image)
        depth = benchmark.layout.find_depth(ground_truth, entry.depth)
        image = None if images is None else benchmark.layout.find_image(images, entry.image)
        if depth is None:
            missing.append(f"{name}: no ground truth {ground_truth / str(entry.depth)}")
        elif image_needed and image is None:
            assert images is not None
            missing.append(f"{name}: no image {images / entry.image}")
        else:
            listed = None if image is None else replace(entry, image=image, depth=depth)
            frames.append(EvaluatedFrame(name, depth, image, listed))
    _check_names(frames, split)
    return FrameList(frames, missing, identify(entries))


def frames_of_folder(ground_truth: Path, benchmark: Benchmark) -> FrameList:
    """All frames with a ground truth PNG anywhere in a folder.

    Raises:
        HmaDepthError: there are none, or two of the same name.

    """
    files = [
        path
        for path in files_below(ground_truth, (".png",))
        if _is_ground_truth(path.relative_to(ground_truth))
    ]
    if not files:
        raise HmaDepthError(f"no ground truth: {ground_truth} holds no PNG")
    frames = [EvaluatedFrame(benchmark.layout.frame_name(path), path) for path in files]
    _check_names(frames, ground_truth)
    return FrameList(frames, [])


def _is_ground_truth(path: Path) -> bool:
    """Not one of the sparse scans and images that KITTI's archives hold beside it."""
    beside = {"velodyne_raw", "image", "intrinsics"} & set(path.parts[:-1])
    return not beside and not re.search(r"_sync_(velodyne_raw|image)_\d{10}_image_0", path.name)


def _check_names(frames: Collection[EvaluatedFrame], where: Path) -> None:
    name, count = Counter(frame.name for frame in frames).most_common(1)[0] if frames else ("", 0)
    if count > 1:
        raise HmaDepthError(f"{where} has {count} frames named {name}; predictions go by name")
