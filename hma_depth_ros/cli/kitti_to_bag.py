"""Convert a KITTI raw drive or odometry sequence to a rosbag2.

Images, camera_info, LiDAR, GPS, IMU and static transforms, with the sensors' own stamps; with
--ground-truth annotated depth too. What is missing of a partial drive is reported. Damaged files
are left out and named, with status 1; 2 is for nothing done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rosbags.rosbag2 import StoragePlugin

from hma_depth_ros.bags.kitti.dialect import DIALECTS, IMAGE_FORMATS, KITTI2BAG
from hma_depth_ros.data.kitti.drive import CAMERAS
from hma_depth_ros.errors import HmaDepthError

#: Damaged files that are named one by one.
_NAMED = 20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kitti_to_bag", description=__doc__)
    parser.add_argument(
        "drive",
        type=Path,
        help="drive, ROOT/2011_09_26/2011_09_26_drive_0001_sync, or sequence, ROOT/sequences/00",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the new bag")
    parser.add_argument(
        "--cameras",
        type=int,
        nargs="+",
        choices=CAMERAS,
        help="0, 1 grey left, right; 2, 3 colour left, right (default: all that have images)",
    )
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        default=KITTI2BAG.name,
        help="whose names of topics and frames (default: %(default)s)",
    )
    parser.add_argument(
        "--ground-truth",
        type=Path,
        metavar="ROOT",
        help="data_depth_annotated: annotated depth as depth images, 32FC1",
    )
    parser.add_argument(
        "--images",
        choices=IMAGE_FORMATS,
        default="raw",
        help="raw, or CompressedImage of the files' own bytes, where they are of that format "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--jpeg-quality",
        type=int,
        choices=range(1, 101),
        metavar="1..100",
        help="of images that are no JPEG yet, with --images jpeg (default: 95)",
    )
    parser.add_argument(
        "--storage", choices=("mcap", "sqlite3"), default="mcap", help="default: %(default)s"
    )
    parser.add_argument("--compress", action="store_true", help="with zstd: smaller and slower")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    arguments = _parser().parse_args(argv)

    if arguments.jpeg_quality is not None and arguments.images != "jpeg":
        raise HmaDepthError("--jpeg-quality goes with --images jpeg")

    # Only now: what works here takes its time to import, and a wrong argument need not wait for it.
    from hma_depth_ros.bags.kitti.drive_bag import BagOptions, gaps, open_recording, write_kitti_bag

    drive = open_recording(arguments.drive, annotated_root=arguments.ground_truth)
    options = BagOptions(
        cameras=None if arguments.cameras is None else tuple(dict.fromkeys(arguments.cameras)),
        dialect=DIALECTS[arguments.dialect],
        image_format=arguments.images,
        jpeg_quality=arguments.jpeg_quality or BagOptions.jpeg_quality,
        storage=StoragePlugin[arguments.storage.upper()],
        compressed=arguments.compress,
    )
    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    damage: list[HmaDepthError] = []
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        counts = write_kitti_bag(
            drive,
            arguments.output,
            options,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            on_damage=damage.append,
        )
    for error in damage[:_NAMED]:
        print(f"kitti_to_bag: left out: {error}", file=sys.stderr)
    if len(damage) > _NAMED:
        print(f"kitti_to_bag: left out: {len(damage) - _NAMED} more files", file=sys.stderr)
    for topic, count in counts.items():
        console.print(f"{count:7d}  {topic}")
    cameras = options.cameras or drive.cameras
    frames = sorted({frame for camera in cameras for frame in drive.images(camera).frames})
    console.print(f"{arguments.output}: {drive.name}, frames {frames[0]} to {frames[-1]}")
    for line in gaps(drive, cameras):
        console.print(f"  {line}")
    return 1 if damage else 0
