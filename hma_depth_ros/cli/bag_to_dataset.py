"""Make a data set to train on of bags with images, CameraInfo and LiDAR.

Writes images, depth, lists for train and evaluate_kitti, and a report to --output; goes on where an
interrupted run ended. Damaged frames are left out and named, with status 1; 2 is for nothing done.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hma_depth_ros.argument_checks import count_or_none, finite, not_negative, positive
from hma_depth_ros.data.kitti.camera_argument import add_camera_argument, camera_number
from hma_depth_ros.errors import HmaDepthError

#: Damaged frames that are named one by one.
_NAMED = 20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bag_to_dataset",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="rosbag2, any storage")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of the data set"
    )
    topics = parser.add_argument_group("topics, where a bag has several")
    topics.add_argument("--image-topic", metavar="TOPIC", help="of the rectified camera")
    topics.add_argument("--camera-info-topic", metavar="TOPIC", help="default: the one beside it")
    topics.add_argument("--lidar-topic", metavar="TOPIC", help="PointCloud2")
    topics.add_argument(
        "--odometry-topic",
        metavar="TOPIC",
        help="nav_msgs/Odometry that tells how the car moved (default: /tf, else the only one)",
    )
    place = parser.add_argument_group("where the LiDAR is (default: /tf_static)")
    either = place.add_mutually_exclusive_group()
    either.add_argument(
        "--lidar-to-camera",
        nargs=7,
        type=finite,
        metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW"),
        help="takes points of the LiDAR to the camera's optical frame",
    )
    either.add_argument(
        "--calibration", type=Path, metavar="DAY", help="folder of KITTI's calibration files"
    )
    add_camera_argument(place)
    time = parser.add_argument_group("time and motion")
    time.add_argument(
        "--max-difference",
        type=not_negative,
        default=0.05,
        metavar="SECONDS",
        help="between an image and its scan (default: %(default)s)",
    )
    time.add_argument(
        "--time-offset",
        type=finite,
        metavar="SECONDS",
        help="added to the LiDAR's stamps (default: 0, and clocks that differ are refused)",
    )
    time.add_argument(
        "--no-motion",
        action="store_true",
        help="take each scan as of the time of its image, even if /tf or an odometry tells more",
    )
    labels = parser.add_argument_group("labels")
    labels.add_argument(
        "--no-occlusion-filter",
        action="store_true",
        help="keep returns that lie behind nearer ones in the image",
    )
    labels.add_argument(
        "--ego-mask",
        type=Path,
        metavar="FILE",
        help="picture of the images' size that is not black where they show the own car; what the "
        "LiDAR sees of it is found and left out anyway",
    )
    labels.add_argument(
        "--keep-static",
        action="store_true",
        help="do not look for the own car among what stays at one place before the LiDAR",
    )
    labels.add_argument(
        "--accumulate",
        type=int,
        choices=range(11),
        default=0,
        metavar="N",
        help="add N scans before and after each, as far as it bears them out (default: 0)",
    )
    frames = parser.add_argument_group("frames and lists")
    frames.add_argument(
        "--spacing",
        type=positive,
        default=2.0,
        metavar="METRES",
        help="between frames; where nothing tells the way, each new view is one (default: 2)",
    )
    frames.add_argument(
        "--shares",
        nargs=3,
        type=float,
        default=(0.7, 0.15, 0.15),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="of the lists (default: 0.7 0.15 0.15)",
    )
    frames.add_argument(
        "--stretch",
        type=positive,
        default=200.0,
        metavar="METRES",
        help="of road that go to one list, less if there are few (default: 200)",
    )
    frames.add_argument(
        "--gap",
        type=not_negative,
        default=30.0,
        metavar="METRES",
        help="kept free between lists, a quarter of a stretch at most (default: 30)",
    )
    frames.add_argument(
        "--jpeg", action="store_true", help="store images as JPEG of quality 95 (default: PNG)"
    )
    frames.add_argument(
        "--overlays", type=count_or_none, default=12, metavar="N", help="to look at (default: 12)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; the status is described at the top of this module."""
    arguments = _parser().parse_args(argv)
    camera = camera_number(arguments)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from hma_depth_ros.bags.to_dataset.dataset_folder import LISTS, DatasetFolder
    from hma_depth_ros.bags.to_dataset.dataset_report import (
        SplitSettings,
        write_lists,
        write_report,
    )
    from hma_depth_ros.bags.to_dataset.dataset_request import DatasetRequest
    from hma_depth_ros.bags.to_dataset.extraction import extract

    shares = _shares(arguments.shares)
    _check_names(arguments.bags)
    request = DatasetRequest(
        image_topic=arguments.image_topic,
        info_topic=arguments.camera_info_topic,
        lidar_topic=arguments.lidar_topic,
        odometry_topic=arguments.odometry_topic,
        lidar_to_camera=arguments.lidar_to_camera and tuple(arguments.lidar_to_camera),
        calibration=arguments.calibration,
        camera=camera,
        limit=round(arguments.max_difference * 1e9),
        time_offset=None if arguments.time_offset is None else round(arguments.time_offset * 1e9),
        follow_motion=not arguments.no_motion,
        occlusion_filter=not arguments.no_occlusion_filter,
        find_ego=not arguments.keep_static,
        ego_mask=arguments.ego_mask,
        accumulate=arguments.accumulate,
        spacing=arguments.spacing,
        image_suffix=".jpg" if arguments.jpeg else ".png",
    )
    split = SplitSettings(shares, arguments.stretch, arguments.gap)
    folder = DatasetFolder(arguments.output)
    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    done = []
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def begin(what: str, total: int) -> Any:
            bar.reset(task, description=what, total=total)
            return lambda count: bar.advance(task, count)

        for path in arguments.bags:
            bag = extract(path, request, folder, progress=begin)
            done.append(bag)
            _print_bag(console, bag)
    division, lists = write_lists(folder, done, split)
    settings = {**request.settings(), **vars(split)}
    report, remarks = write_report(
        folder, done, division, lists, settings=settings, overlays=arguments.overlays
    )
    _print_density(console, report)
    for remark in remarks:
        console.print(remark, markup=False)
    counts = ", ".join(f"{name}.txt {len(own)}" for name, own in zip(LISTS, lists, strict=True))
    console.print(
        f"{folder.path}: {counts} frames, by {report['stretches']['count']} stretches of "
        f"{division.length:.0f} m; {report['left_out_between_lists']} left out between lists. "
        f"Look at {folder.path / 'overlays'}",
        markup=False,
    )
    problems = [problem for bag in done for problem in bag.problems]
    for problem in problems[:_NAMED]:
        print(f"bag_to_dataset: left out: {problem}", file=sys.stderr)
    if len(problems) > _NAMED:
        print(f"bag_to_dataset: left out: {len(problems) - _NAMED} more", file=sys.stderr)
    return 1 if problems else 0


def _shares(given: Sequence[float]) -> tuple[float, float, float]:
    train, validation, test = given
    if min(given) < 0 or not 0 < sum(given) < math.inf:
        raise HmaDepthError(f"--shares are three shares such as 0.7 0.15 0.15, not {list(given)}")
    total = sum(given)
    return train / total, validation / total, test / total


def _check_names(bags: Sequence[Path]) -> None:
    names = [bag.absolute().name if bag.is_dir() else bag.stem for bag in bags]
    if len(set(names)) < len(names):
        raise HmaDepthError(f"two of the bags have one name: {', '.join(sorted(names))}")


def _print_bag(console: Any, bag: Any) -> None:
    for remark in bag.remarks:
        console.print(remark, markup=False)
    before = f", {bag.earlier} were there already" if bag.earlier else ""
    sparse = f", {bag.sparse} more have too few labels" if bag.sparse else ""
    console.print(
        f"{bag.path}: {len(bag.frames)} frames of {bag.images} images, {bag.with_scan} with a "
        f"scan{before}{sparse}",
        markup=False,
    )
    details = [str(bag.timing)]
    if bag.point_times:
        details.append(f"points have their own times ({bag.point_times})")
    if bag.own_cells or bag.own_pixels:
        details.append(
            f"own vehicle: {bag.own_cells} places before the LiDAR, {bag.own_pixels:.1%} of the "
            "image"
        )
    console.print(f"  {'; '.join(details)}", markup=False)


def _print_density(console: Any, report: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title="Labels by distance", title_justify="left")
    for name in ("distance", "labels a frame", "of the pixels", "frames with any"):
        table.add_column(name, justify="right")
    for row in report["label_density"]:
        end = "" if row["to"] is None else f" to {row['to']:g}"
        table.add_row(
            f"{row['from']:g}{end} m",
            f"{row['labels_a_frame']:.0f}",
            f"{row['share_of_pixels']:.2%}",
            f"{row['frames_with_labels']} of {report['frames']}",
        )
    console.print(table)
