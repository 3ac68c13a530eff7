"""Check that the files of a list are all there, readable and fit together, before a long run.

Every image and ground truth is decoded. Says which archives to download and where to unpack them.
Ends with status 0 if the data can be used, 1 if not, 2 if there was nothing to check.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hma_depth_ros.argument_checks import goes_with
from hma_depth_ros.data.depth.depth_units import unit_hint
from hma_depth_ros.data.depth.ground_truth import SOURCES
from hma_depth_ros.data.depth.lidar_depth import LidarScan
from hma_depth_ros.data.kitti import downloads
from hma_depth_ros.data.kitti.layout import COLOUR_CAMERAS
from hma_depth_ros.data.nyu import layout as nyu_layout
from hma_depth_ros.data.nyu.frames import list_nyu_frames
from hma_depth_ros.data.splits.dataset_layout import DATASETS, LAYOUTS
from hma_depth_ros.data.splits.known_splits import SplitIdentity, identify
from hma_depth_ros.data.splits.split_file import SplitEntry, read_split, with_source
from hma_depth_ros.errors import HmaDepthError
from hma_depth_ros.files import atomic_path

if TYPE_CHECKING:
    from hma_depth_ros.data.splits.split_check import CheckedFrame, Problem

_SHOWN = 3  #: problems of a kind


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check_dataset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="ROOT",
        help="folder with kitti_raw/ (or the days) and data_depth_annotated/, or for NYU Depth v2 "
        "with the scenes; it need not be there yet to learn what to download",
    )
    parser.add_argument(
        "--dataset", choices=DATASETS, default=DATASETS[0], help="default: %(default)s"
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="frames to check: lines of 'image depth focal' or 'image depth fx fy cx cy' "
        "(default: all colour images there)",
    )
    parser.add_argument(
        "--training",
        action="store_true",
        help="the list is to be trained on: all frames need ground truth, none may be a test scene",
    )
    parser.add_argument(
        "--allow-test-scenes", action="store_true", help="with --training: as for `train`"
    )
    parser.add_argument(
        "--ground-truth-source",
        choices=SOURCES,
        default=SOURCES[0],
        help="what the list names, or the velodyne scans (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--problems", type=Path, metavar="FILE", help="write all problems there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    arguments = _parser().parse_args(argv)
    goes_with(arguments, "allow_test_scenes", "training")
    if arguments.workers < 1:
        raise HmaDepthError("--workers must be 1 or more")
    if arguments.dataset == "nyu" and arguments.ground_truth_source != SOURCES[0]:
        raise HmaDepthError("NYU Depth v2 has no velodyne scans")
    if arguments.split is None:
        entries = _all_frames(arguments)
        identity = identify(entries)
    else:
        listed = read_split(arguments.split, Path())
        entries, identity = with_source(listed, arguments.ground_truth_source), identify(listed)
    print(f"{arguments.split or arguments.data}: {identity}")

    start = time.perf_counter()
    frames = _checked(entries, arguments)
    seconds = time.perf_counter() - start
    print(f"{len(frames)} frames checked in {seconds:.1f} s, {len(frames) / seconds:.1f} frames/s")
    problems = [problem for frame in frames for problem in frame.problems]
    _print_problems(problems)
    if arguments.dataset == "kitti":
        _print_cameras(frames)
        _print_downloads(arguments.data, frames)
    elif any(frame.located.found is None or frame.located.lacks_depth for frame in frames):
        print(
            f"to download: nyu_depth_v2_labeled.mat and splits.mat from {nyu_layout.PAGE}, and to "
            f"unpack by: extract_nyu nyu_depth_v2_labeled.mat --output {arguments.data} --splits "
            "splits.mat"
        )
    _print_unit(frames, arguments)
    if arguments.problems is not None:
        with atomic_path(arguments.problems) as temporary:
            lines = (f"{problem.kind}\t{problem.detail}\n" for problem in problems)
            temporary.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    return _verdict(frames, identity)


def _print_unit(frames: Sequence[CheckedFrame], arguments: argparse.Namespace) -> None:
    found = [frame.located.found for frame in frames]
    files = [entry.depth for entry in found if entry and isinstance(entry.depth, Path)]
    units = LAYOUTS[arguments.dataset].units_per_metre
    if hint := unit_hint(files, units_per_metre=units):
        print(f"hint: {hint}")


def _all_frames(arguments: argparse.Namespace) -> list[SplitEntry]:
    from hma_depth_ros.data.kitti.frames import list_frames

    if arguments.dataset == "nyu":
        return list_nyu_frames(arguments.data)
    return list_frames(arguments.data, cameras=COLOUR_CAMERAS, source=arguments.ground_truth_source)


def _checked(entries: Sequence[SplitEntry], arguments: argparse.Namespace) -> list[CheckedFrame]:
    from hma_depth_ros.data.splits.split_check import check_split

    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        frames = check_split(
            entries,
            arguments.data,
            training=arguments.training,
            allow_test_scenes=arguments.allow_test_scenes,
            layout=LAYOUTS[arguments.dataset],
            workers=arguments.workers,
        )
        return list(progress.track(frames, total=len(entries)))


def _print_problems(problems: Sequence[Problem]) -> None:
    details: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        details[problem.kind].append(problem.detail)
    for kind, of_kind in details.items():
        print(f"{kind}: {len(of_kind)}")
        for detail in of_kind[:_SHOWN]:
            print(f"  {detail}")
        if len(of_kind) > _SHOWN:
            print(f"  and {len(of_kind) - _SHOWN} more (--problems FILE for all)")


def _print_cameras(frames: Sequence[CheckedFrame]) -> None:
    from hma_depth_ros.data.splits.entry_camera import source_line

    unchecked = sum(frame.lacks_calibration for frame in frames)
    if unchecked:
        print(f"{unchecked} frames have no calibration to check their cameras by")
    sources = Counter(frame.camera_source for frame in frames if frame.camera_source is not None)
    if sources:
        print(source_line(sources))


def _print_downloads(root: Path, frames: Sequence[CheckedFrame]) -> None:
    images = [frame.located.listed.image for frame in frames if frame.located.found is None]
    truths = [
        depth
        for frame in frames
        if frame.located.lacks_depth and (depth := frame.located.listed.depth) is not None
    ]
    scans = [
        found.depth
        for frame in frames
        if (found := frame.located.found) is not None and isinstance(found.depth, LidarScan)
    ]
    archives = downloads.archives_of(root, images=images, truths=truths, scans=scans)
    if not archives:
        return
    for folder in sorted({archive.unpack_in for archive in archives}):
        print(f"to download and unzip in {folder}:")
        for archive in archives:
            if archive.unpack_in == folder:
                print(f"  {archive.url}")
    print(f"their pages and terms: {downloads.RAW_PAGE} {downloads.DEPTH_PAGE}")


def _verdict(frames: Sequence[CheckedFrame], identity: SplitIdentity) -> int:
    bad = sum(bool(frame.problems) for frame in frames)
    if bad:
        print(f"NOT usable: {bad} of {len(frames)} frames have problems")
        return 1
    if all(frame.located.listed.depth is None for frame in frames):
        print("NOT usable: no frame has ground truth")
        return 1
    if identity.known is not None and not identity.verified:
        print("NOT usable: the list has lost ground truth of the published one")
        return 1
    print("usable")
    return 0
