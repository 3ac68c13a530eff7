"""The frames of a run: those to train on, and those to choose the best weights by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hma_depth_ros.data.frame_name import scene_name
from hma_depth_ros.data.semantic_labels import find_labels
from hma_depth_ros.data.splits.dataset_layout import DatasetName
from hma_depth_ros.data.splits.known_splits import eigen_test_drives_in, identify
from hma_depth_ros.data.splits.located_split import read_located_split, read_training_split
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.evaluation.dataset_rules import KITTI, NYU, Benchmark
from hma_depth_ros.training.held_out import hold_out
from hma_depth_ros.training.run_config import DataSection
from hma_depth_ros.training.samples.sampler import scene_weights, shared_weights

BENCHMARKS: dict[DatasetName, Benchmark] = {"kitti": KITTI, "nyu": NYU}


@dataclass(frozen=True)
class Lists:
    """Entries with the paths of files that are there."""

    training: list[SplitEntry]
    validation: list[SplitEntry]
    benchmark: Benchmark
    #: For the record: identity and SHA-256 of each list.
    description: dict[str, Any]
    #: Frames held out of training, by drive.
    held_out: dict[str, int] = field(default_factory=dict)
    #: Number of the list, in `data.train`, of each frame to train on.
    list_of: list[int] = field(default_factory=list)


def read_lists(section: DataSection, *, labels_needed: bool = False) -> Lists:
    """Read and check all lists of a run; with `labels_needed`, some image must have labels.

    Raises:
        HmaDepthError: there is none to train on, one cannot be used (see `read_training_split`), a
            drive to hold out is in none, or validation is on the test list or on frames that are
            trained on.

    """
    if not section.train:
        raise HmaDepthError("there is nothing to train on: name a list by --split or data.train")
    root = None if section.root is None else Path(section.root)
    benchmark = BENCHMARKS[section.dataset]
    training: list[SplitEntry] = []
    list_of: dict[int, int] = {}  # by the entry as an object: lists may name the same files
    for number, name in enumerate(section.train):
        own = read_training_split(
            Path(name),
            root,
            source=section.ground_truth_source,
            allow_test_scenes=section.allow_test_scenes,
            layout=benchmark.layout,
        )
        training += own
        list_of |= {id(entry): number for entry in own}
    if labels_needed and not any(find_labels(entry.image) for entry in training):
        raise HmaDepthError(
            "loss.smoothness_weight needs label maps, and no image of the lists has one; see "
            "docs/datasets.md for where they lie, or set it to 0"
        )
    divided = hold_out(training, section.hold_out, dataset=section.dataset)
    training, validation = divided.training, divided.held_out
    if section.validation is not None:
        path = Path(section.validation)
        _check_validation(path, allow_test_scenes=section.allow_test_scenes)
        listed = [
            entry
            for entry in read_located_split(path, root, layout=benchmark.layout)
            if entry.depth is not None
        ]
        if not listed:
            raise HmaDepthError(f"no frame of {path} has ground truth to validate by")
        resolved = cache(Path.resolve)  # of folders: a list may come to the same ones by a link
        trained_on = {resolved(e.image.parent) / e.image.name for e in training}
        both = {e.image for e in listed if resolved(e.image.parent) / e.image.name in trained_on}
        if both:
            raise HmaDepthError(
                f"{path} has {len(both)} frames that are trained on too, the first {min(both)}; "
                "--hold-out DRIVE takes a drive out of training"
            )
        named = {entry.image for entry in listed}
        validation = listed + [entry for entry in validation if entry.image not in named]
    names = [*section.train, *([section.validation] if section.validation else [])]
    description = {n: _described(Path(n)) for n in names}
    numbers = [list_of[id(entry)] for entry in divided.training]
    return Lists(training, validation, benchmark, description, divided.frames, numbers)


def draw_weights(
    lists: Lists, entries: Sequence[SplitEntry], section: DataSection
) -> npt.NDArray[np.float64] | None:
    """How often each frame is drawn in the mean epoch; None: once.

    Args:
        lists: of the run.
        entries: those of its training frames that there are samples of.
        section: of the run.

    Raises:
        HmaDepthError: `data.list_shares` does not fit the lists.

    """
    shares = section.list_shares
    if not (section.balance or shares or section.epoch_frames):
        return None
    weights = scene_weights([scene_name(entry.image) for entry in entries], section.balance)
    number_of = {id(e): n for e, n in zip(lists.training, lists.list_of, strict=True)}
    numbers = [number_of[id(entry)] for entry in entries]
    _check_one_for_each_list("list_shares", shares, section)
    for number, _ in enumerate(shares):
        if number not in numbers:
            raise HmaDepthError(
                f"{section.train[number]} has a share of the frames (data.list_shares), and none "
                "to train on"
            )
    return shared_weights(weights, numbers, shares, section.epoch_frames)


def camera_heights(lists: Lists, section: DataSection) -> dict[Path, float]:
    """Of the cameras above the road, metres, by image, where `data.camera_heights` tells them.

    Raises:
        HmaDepthError: it does not fit the lists.

    """
    heights = section.camera_heights
    _check_one_for_each_list("camera_heights", heights, section)
    if not heights:
        return {}
    return {
        entry.image: heights[number]
        for entry, number in zip(lists.training, lists.list_of, strict=True)
    }


def _check_one_for_each_list(key: str, numbers: Sequence[float], section: DataSection) -> None:
    if numbers and len(numbers) != len(section.train):
        raise HmaDepthError(
            f"data.{key} has {len(numbers)} numbers for the {len(section.train)} lists of "
            "data.train"
        )


def _check_validation(path: Path, *, allow_test_scenes: bool) -> None:
    entries = read_split(path, Path())
    identity = identify(entries)
    if identity.known is not None and identity.known.name.endswith("test"):
        raise HmaDepthError(
            f"{path} is the list {identity.known.name}: weights chosen by it have no honest "
            "figure on it; validate on other frames (make_split makes a list)"
        )
    if not allow_test_scenes and (drives := eigen_test_drives_in(entries)):
        raise HmaDepthError(
            f"{path} validates on {len(drives)} of the 28 drives of Eigen's test list, the first "
            f"{drives[0]}; leave them out, or say --allow-test-scenes"
        )


def _described(path: Path) -> dict[str, str]:
    entries: Sequence[SplitEntry] = read_split(path, Path())
    return {
        "identity": str(identify(entries)),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
