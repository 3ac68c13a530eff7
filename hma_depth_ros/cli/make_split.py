"""Write a list of frames in BTS's format from KITTI's folders, a synthetic drive or NYU Depth v2.

The frames under --data with their ground truth, sorted by drive, camera and number; `train` and
`evaluate_kitti` take the list with the same --data.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hma_depth_ros.argument_checks import option_name
from hma_depth_ros.data.depth.ground_truth import SOURCES
from hma_depth_ros.data.frame_name import kitti_drive_name
from hma_depth_ros.data.kitti.layout import COLOUR_CAMERAS
from hma_depth_ros.data.nyu.frames import list_nyu_frames
from hma_depth_ros.data.splits.dataset_layout import DATASETS
from hma_depth_ros.data.splits.known_splits import EIGEN_TEST_DRIVES, identify
from hma_depth_ros.data.splits.located_split import locate
from hma_depth_ros.data.splits.split_file import SplitEntry, write_split
from hma_depth_ros.errors import HmaDepthError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make_split",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="ROOT",
        help="folder with kitti_raw/ (or the days) and data_depth_annotated/, or one of the depth "
        "selection (val_selection_cropped); for NYU Depth v2 the one with the scenes",
    )
    parser.add_argument(
        "--dataset", choices=DATASETS, default=DATASETS[0], help="default: %(default)s"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="list to write")
    parser.add_argument(
        "--cameras",
        type=int,
        nargs="+",
        choices=COLOUR_CAMERAS,
        help="2: left, 3: right (default: 2)",
    )
    parser.add_argument(
        "--ground-truth-source",
        choices=SOURCES,
        default=SOURCES[0],
        help="annotated depth, or the velodyne scans, projected when they are read (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--drives", nargs="+", metavar="DRIVE", help="these alone, such as 2011_09_26_drive_0001"
    )
    parser.add_argument("--without", nargs="+", metavar="DRIVE", help="all drives but these")
    parser.add_argument(
        "--without-test-scenes", action="store_true", help="nor the 28 drives of Eigen's test list"
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="every N-th frame (default: all)"
    )
    parser.add_argument(
        "--intrinsics",
        action="store_true",
        help="write 'image depth fx fy cx cy' instead of the focal length alone, by KITTI's "
        "calibration files",
    )
    parser.add_argument(
        "--unlabelled", action="store_true", help="list frames without ground truth too, as None"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)

    if arguments.every < 1:
        raise HmaDepthError("--every must be 1 or more")

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.data.kitti.frames import list_frames

    if arguments.dataset == "nyu":
        entries = chosen = _of_nyu(arguments)
    else:
        entries = list_frames(
            arguments.data, cameras=arguments.cameras or (2,), source=arguments.ground_truth_source
        )
        chosen = _of_drives(entries, arguments)
    if not arguments.unlabelled:
        chosen = [entry for entry in chosen if entry.depth is not None]
    chosen = chosen[:: arguments.every]
    if not chosen:
        raise HmaDepthError(
            f"none of the {len(entries)} frames under {arguments.data} is left: they have no "
            f"ground truth ({arguments.ground_truth_source}), or their drives are not wanted"
        )
    if arguments.intrinsics:
        chosen = _with_intrinsics(arguments.data, chosen)
    write_split(arguments.output, chosen)
    print(f"{arguments.output}: {identify(chosen)}; of {len(entries)} frames")
    return 0


def _with_intrinsics(root: Path, entries: Sequence[SplitEntry]) -> list[SplitEntry]:
    from hma_depth_ros.data.splits.entry_camera import with_intrinsics

    located = [(entry, locate(root, entry).found) for entry in entries]
    written = [
        entry if found is None else with_intrinsics(entry, found.image) for entry, found in located
    ]
    if lacking := [entry for entry in written if entry.intrinsics is None]:
        raise HmaDepthError(
            f"--intrinsics: {len(lacking)} of {len(written)} images are not whole ones of a camera "
            f"that a calibration file beside them describes, the first {lacking[0].image}; without "
            "--intrinsics the list gets their focal lengths"
        )
    return written


def _of_nyu(arguments: argparse.Namespace) -> list[SplitEntry]:
    for name in ("drives", "without", "without_test_scenes", "cameras", "intrinsics"):
        if getattr(arguments, name):
            raise HmaDepthError(f"{option_name(name)} is for KITTI, not for NYU Depth v2")
    if arguments.ground_truth_source != SOURCES[0]:
        raise HmaDepthError("NYU Depth v2 has no velodyne scans")
    return list_nyu_frames(arguments.data)


def _of_drives(entries: list[SplitEntry], arguments: argparse.Namespace) -> list[SplitEntry]:
    present = {kitti_drive_name(entry.image) for entry in entries}
    wanted = _drives(arguments.drives, present) if arguments.drives else present
    unwanted = _drives(arguments.without, present) if arguments.without else set()
    if arguments.without_test_scenes:
        unwanted = unwanted | EIGEN_TEST_DRIVES
    return [entry for entry in entries if kitti_drive_name(entry.image) in wanted - unwanted]


def _drives(names: Sequence[str], present: set[str | None]) -> set[str | None]:
    """Full names of drives, each of which must be there: a typo would change the list silently."""
    drives: set[str | None] = {f"{name.removesuffix('_sync')}_sync" for name in names}
    if absent := sorted(map(str, drives - present)):
        raise HmaDepthError(f"there is no drive {absent[0]} in the data")
    return drives
